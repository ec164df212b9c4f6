//! How a log file is opened: where it stands, others may have put something in its place.
//!
//! Logs may be links and what is no file (`/dev/stdout`, `/dev/null`, a pipe to a collector), as users of PM2 have them.
//! But a link is followed only if it is root's or the daemon's own: else whoever may write to a directory of logs could
//! have a daemon of root write to any file. And nothing that is opened keeps the daemon waiting.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::{
        ffi::OsStringExt,
        fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::libc::{O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH};
use rustix::{
    fs::{OFlags, PROC_SUPER_MAGIC, fcntl_getfl, fcntl_setfl, fstatfs, readlinkat},
    io::Errno,
};

/// Links that may lead to one another, as in the kernel.
const MAX_LINKS: usize = 40;

/// Opens the file at `path`, which does not block.
pub(super) fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let mut options = options.clone();
    options.custom_flags(O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match options.open(&path) {
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => match behind(&path)? {
                Behind::Path(target) => path = target,
                Behind::Descriptor => return options.custom_flags(O_NONBLOCK | O_NOCTTY).open(&path),
            },
            // A pipe that nobody reads: it keeps what is written until somebody does.
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                let pipe = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .custom_flags(O_NONBLOCK | O_NOFOLLOW)
                    .open(&path);
                return pipe.ok().filter(is_pipe).ok_or(error);
            }
            opened => return opened,
        }
    }
    Err(Errno::LOOP.into())
}

/// The file as a child expects it: its writes wait until there is room.
pub(super) fn for_child(file: File) -> io::Result<File> {
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

fn is_pipe(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.file_type().is_fifo())
}

/// Where a link leads.
enum Behind {
    Path(PathBuf),
    /// To an open file of a process: what the link says is no path.
    Descriptor,
}

/// Looks behind the link at `path`, unless it is somebody else's.
fn behind(path: &Path) -> io::Result<Behind> {
    let link = OpenOptions::new().read(true).custom_flags(O_PATH | O_NOFOLLOW).open(path)?;
    let owner = link.metadata()?.uid();
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        let reason = format!("{} is a link of user {owner}, and not followed", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    if fstatfs(&link)?.f_type == PROC_SUPER_MAGIC {
        return Ok(Behind::Descriptor);
    }
    let target = PathBuf::from(std::ffi::OsString::from_vec(readlinkat(&link, "", Vec::new())?.into_bytes()));
    Ok(Behind::Path(path.parent().unwrap_or(Path::new("/")).join(target)))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{Read, Write},
        os::unix::fs::{lchown, symlink},
    };

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    fn append() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o644);
        options
    }

    #[test]
    fn own_links_are_followed_to_their_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("deep")).unwrap();
        symlink("deep/second", path("first")).unwrap();
        symlink("../file", path("deep/second")).unwrap();
        for text in ["one\n", "two\n"] {
            open(&path("first"), &append()).unwrap().write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(path("file")).unwrap(), "one\ntwo\n");
        symlink("circle", path("circle")).unwrap();
        assert!(open(&path("circle"), &append()).is_err());
    }

    #[test]
    fn links_of_others_are_not_followed() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let (log, target) = (directory.path().join("log"), directory.path().join("precious"));
        fs::write(&target, "kept").unwrap();
        symlink(&target, &log).unwrap();
        lchown(&log, Some(65_534), None).unwrap();
        let error = open(&log, &append()).unwrap_err().to_string();
        assert!(error.contains("link of user 65534"), "{error}");
        lchown(&log, Some(0), None).unwrap();
        assert!(open(&log, &append()).is_ok());
    }

    #[test]
    fn devices_and_descriptors_are_logs() {
        for path in ["/dev/null", "/proc/self/fd/0", "/dev/stdin"] {
            let opened = open(Path::new(path), OpenOptions::new().read(true));
            assert!(opened.is_ok() || fs::File::open(path).is_err(), "{path}: {opened:?}");
        }
    }

    #[test]
    fn a_pipe_that_nobody_reads_keeps_nobody_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let mut file = open(&pipe, &append()).unwrap();
        while file.write(&[b'x'; 4096]).is_ok() {}
        let mut reader = open(&pipe, OpenOptions::new().read(true)).unwrap();
        assert_eq!(reader.read(&mut [0; 7]).unwrap(), 7);
        assert!(!fcntl_getfl(for_child(file).unwrap()).unwrap().contains(OFlags::NONBLOCK));
    }
}
