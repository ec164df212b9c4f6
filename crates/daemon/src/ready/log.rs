//! A line of the output that tells that an app is up.

use std::{
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use regex_lite::Regex;

use crate::logs;

/// How often the logs are looked at while a run is on its way up; not at all afterwards.
const PAUSE: Duration = Duration::from_millis(25);

/// Longest line that is looked at; of a longer one the beginning.
const MAX_LINE: usize = 64 << 10;

/// Bytes that are read of one log before the daemon turns to other things.
const CHUNK: u64 = 256 << 10;

/// One log, from where it ended before the run.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    at: u64,
    line: Vec<u8>,
}

impl Tail {
    pub(super) fn at_end(path: PathBuf) -> Self {
        let at = path.metadata().map_or(0, |meta| meta.len());
        Self::at(path, at)
    }

    /// The log behind its byte `at`.
    pub(super) fn at(path: PathBuf, at: u64) -> Self {
        Self { path, at, line: Vec::new() }
    }

    /// Whether one of the lines that have come matches. The last one need not have its end.
    fn has(&mut self, regex: &Regex) -> std::io::Result<bool> {
        let mut file = logs::open_to_read(&self.path)?;
        if file.metadata()?.len() < self.at {
            // Emptied, or another file by now.
            self.at = 0;
            self.line.clear();
        }
        file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        self.at += file.take(CHUNK).read_to_end(&mut bytes)? as u64;
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = MAX_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if regex.is_match(String::from_utf8_lossy(&self.line).trim_end_matches(['\r', '\n'])) {
                return Ok(true);
            }
            if piece.ends_with(b"\n") {
                self.line.clear();
            }
        }
        Ok(false)
    }
}

/// Waits until a line in one of the logs matches.
pub(super) async fn line(regex: &Regex, mut tails: Vec<Tail>) {
    // A log that is not there yet has no line.
    while !tails.iter_mut().any(|tail| tail.has(regex).unwrap_or(false)) {
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write};

    use super::*;

    #[test]
    fn only_what_comes_after_the_start_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let regex = Regex::new("^listening on \\d+$").unwrap();
        let mut missing = Tail::at_end(directory.path().join("none"));
        missing.has(&regex).unwrap_err();
        std::fs::write(&path, "listening on 1\nlist").unwrap();
        let mut tail = Tail::at_end(path.clone());
        assert!(!tail.has(&regex).unwrap());
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"ening on 2\nnow: listening on 3\nlistening").unwrap();
        assert!(!tail.has(&regex).unwrap());
        file.write_all(b" on 4\r\n").unwrap();
        assert!(tail.has(&regex).unwrap());
        std::fs::write(&path, "listening on 5").unwrap();
        assert!(tail.has(&regex).unwrap(), "the file was replaced");
    }
}
