//! Where workflow files are, and how files that a step made are read.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Where a repository keeps its workflows.
const WORKFLOWS: &str = ".github/workflows";

/// The workflow files of a directory, in the order of their names: those of its `.github/workflows` if it has one,
/// else its own `*.yml` and `*.yaml`.
pub fn workflow_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let own = directory.join(WORKFLOWS);
    let directory = if own.is_dir() { &own } else { directory };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        if is_yaml && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The description of the action in a directory.
pub(crate) fn action_file(directory: &Path) -> Option<PathBuf> {
    ["action.yml", "action.yaml"].iter().map(|name| directory.join(name)).find(|path| path.is_file())
}

/// The most that is read of a file that a step made.
const LONGEST: u64 = 16 << 20;

/// Reads a file that a step made. It never waits: the step may have put a FIFO there, which has no end before another
/// process opens it, or a link to a device that never ends.
pub(crate) fn read_made(path: &Path) -> io::Result<Vec<u8>> {
    // Without O_NONBLOCK the opening of a FIFO waits for a writer. For regular files it has no effect.
    let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("is longer than {} MiB", LONGEST >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        std::os::unix::fs::symlink(path("long"), path("link")).unwrap();
        File::create(path("long")).unwrap().set_len(LONGEST + 1).unwrap();
        for (name, error) in [
            ("fifo", "is not a regular file"),
            ("zero", "is not a regular file"),
            (".", "is not a regular file"),
            ("link", "is longer than 16 MiB"),
        ] {
            assert_eq!(read_made(&path(name)).unwrap_err().to_string(), error, "{name}");
        }
        fs::write(path("long"), "a=1").unwrap();
        assert_eq!(read_made(&path("link")).unwrap(), b"a=1");
    }
}
