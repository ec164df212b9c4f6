//! Reading files whose kind and size another program decides.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::libc::O_NONBLOCK;

/// The content of a regular file of at most `limit` bytes.
///
/// A pipe or a device is an error: it could keep the reader waiting for ever, or fill its memory.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        let kind = if meta.is_dir() { io::ErrorKind::IsADirectory } else { io::ErrorKind::Other };
        return Err(io::Error::new(kind, "it is no regular file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(limit)).unwrap_or_default());
    fill(file, limit, &mut bytes)?;
    Ok(bytes)
}

/// All that a stream says, if that is at most `limit` bytes.
pub fn read_stream(stream: impl io::Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fill(stream, limit, &mut bytes)?;
    Ok(bytes)
}

fn fill(stream: impl io::Read, limit: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    // Files of `/proc` and files that grow are larger than their metadata say.
    stream.take(limit.saturating_add(1)).read_to_end(bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn regular_files_within_the_limit_are_read() {
        let directory = env::temp_dir().join(format!("rpm-bounded-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let at = |name: &str| directory.join(name);
        fs::write(at("file"), "12345").unwrap();
        mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        let wrong = |path: &Path, limit| read(path, limit).unwrap_err().to_string();
        assert_eq!(read(&at("file"), 5).unwrap(), b"12345");
        assert_eq!(wrong(&at("file"), 4), "it is larger than 4 bytes");
        assert_eq!(wrong(&at("fifo"), 4), "it is no regular file");
        assert_eq!(wrong(Path::new("/dev/zero"), 4), "it is no regular file");
        assert_eq!(read(&directory, 4).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(read(&at("absent"), 4).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(read_stream(io::repeat(0), 4).unwrap_err().to_string(), "it is larger than 4 bytes");
        fs::remove_dir_all(&directory).unwrap();
    }
}
