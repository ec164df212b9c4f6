//! Logs that somebody has moved away, as logrotate does, are opened anew at their paths.
//!
//! A program that writes its log itself holds the file open under whatever name it has now, and nobody can make it open
//! another one. So it is the file that gets its name back, and its lines that go: to a new file under the name to which
//! it was moved. In the end there is what everybody expects: the old lines in the moved file, and the new ones in the log.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use super::{cut, file};

/// A process that was given a descriptor of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Writer {
    pub log: PathBuf,
    pub pid: i32,
    /// The number of the descriptor.
    pub descriptor: i32,
}

/// The file that a writer has open.
struct Held {
    identity: (u64, u64),
    /// Its name; `None` if it has none any more.
    path: Option<PathBuf>,
}

impl Writer {
    /// What it writes to now; `None` if that cannot be its log, because it has ended or opened something else itself.
    fn held(&self) -> Option<Held> {
        let link = format!("/proc/{}/fd/{}", self.pid, self.descriptor);
        let meta = fs::metadata(&link).ok().filter(Metadata::is_file)?;
        let path = fs::read_link(&link).ok()?;
        // Whoever moves a log leaves the beginning of its name.
        let stem = self.log.file_stem()?.to_str()?;
        path.file_name()?.to_str()?.starts_with(stem).then_some(())?;
        // A name may also look as if it were removed: then it is another file.
        let is_there = fs::metadata(&path).is_ok_and(|there| identity(&there) == identity(&meta));
        Some(Held { identity: identity(&meta), path: is_there.then_some(path) })
    }
}

/// Gives each log of `writers` that was moved away its name back, and its lines to a new file at the other name. Gives
/// what could not be done. For `plan` see [`cut::rotate`].
pub(crate) fn reload(writers: &[Writer], plan: &Path) -> Vec<String> {
    let mut by_log: BTreeMap<&Path, Vec<Held>> = BTreeMap::new();
    for writer in writers {
        by_log.entry(&writer.log).or_default().extend(writer.held());
    }
    let mut failed = Vec::new();
    for (log, held) in by_log {
        if let Err(reason) = reload_one(log, &held, plan) {
            failed.push(format!("{} is not opened anew: {reason}", log.display()));
        }
    }
    failed
}

fn reload_one(log: &Path, held: &[Held], plan: &Path) -> Result<(), String> {
    let there = match fs::symlink_metadata(log) {
        Ok(there) => Some(there),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.to_string()),
    };
    // A link leads elsewhere: what it leads to has that name.
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return Ok(());
    }
    let is_there = |held: &Held| there.as_ref().is_some_and(|there| identity(there) == held.identity);
    let Some(moved) = held.iter().find(|held| !is_there(held)) else { return Ok(()) };
    if held.iter().any(|other| other.identity != moved.identity) {
        return Err("its processes write to different files, until all of them are restarted".to_owned());
    }
    let Some(path) = &moved.path else {
        return Err("the file was removed, and is written to until the process is restarted".to_owned());
    };
    give_back(log, there.as_ref(), path, plan).map_err(|error| format!("{}: {error}", path.display()))
}

/// The file at `moved` becomes the log again; `there` is what stands in its place, which no process of ours has open.
fn give_back(log: &Path, there: Option<&Metadata>, moved: &Path, plan: &Path) -> io::Result<()> {
    let directory = fs::metadata(log.parent().unwrap_or(Path::new("/")))?;
    let held = file::open(moved, OpenOptions::new().append(true))?;
    if directory.dev() != held.metadata()?.dev() {
        return Err(io::Error::other("it is on another file system"));
    }
    if let Some(there) = there {
        // Whoever made it said who may read the log.
        let _ = held.set_permissions(fs::Permissions::from_mode(there.mode() & 0o777));
        let _ = fchown(&held, Some(there.uid()), Some(there.gid()));
    }
    cut::move_back(moved, log, plan, || match there {
        Some(there) if there.len() > 0 => io::copy(&mut super::open_to_read(log)?, &mut &held).map(drop),
        _ => Ok(()),
    })
}

/// Device and number.
fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use super::*;

    /// A directory, a log in it that this process has open, and who has it open.
    fn open_log() -> (tempfile::TempDir, File, Writer) {
        use std::os::fd::AsRawFd;
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("web-out.log");
        let file = OpenOptions::new().append(true).create(true).open(&log).unwrap();
        let writer = Writer { log, pid: std::process::id() as i32, descriptor: file.as_raw_fd() };
        (directory, file, writer)
    }

    fn lines(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    }

    fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
        numbers.map(|number| format!("line {number}")).collect()
    }

    fn write(file: &mut File, numbers: std::ops::Range<usize>) {
        for line in numbered(numbers) {
            writeln!(file, "{line}").unwrap();
        }
    }

    #[test]
    fn old_lines_are_in_the_moved_file_and_new_ones_in_the_log() {
        for (count, made_anew) in [(3, None), (3, Some("")), (5000, None), (5000, Some("a stranger's\n"))] {
            let (directory, mut file, writer) = open_log();
            let (log, plan) = (writer.log.clone(), directory.path().join("plan"));
            write(&mut file, 0..count);
            let moved = directory.path().join("web-out.log.1");
            fs::rename(&log, &moved).unwrap();
            if let Some(text) = made_anew {
                fs::write(&log, text).unwrap();
                fs::set_permissions(&log, fs::Permissions::from_mode(0o640)).unwrap();
            }
            write(&mut file, count..count + 2);
            assert_eq!(reload(std::slice::from_ref(&writer), &plan), [""; 0]);
            write(&mut file, count + 2..count + 9);
            assert!(lines(&moved) == numbered(0..count + 2), "{count} {made_anew:?}");
            let mut expected = numbered(count + 2..count + 9);
            if made_anew.is_some_and(|text| !text.is_empty()) {
                expected.insert(0, "a stranger's".to_owned());
            }
            assert_eq!(lines(&log), expected);
            if made_anew.is_some() {
                assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o640);
            }
            // Nothing more is to be done.
            assert_eq!(reload(&[writer], &plan), [""; 0]);
            assert!(lines(&moved) == numbered(0..count + 2));
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn what_cannot_be_given_back_is_told_and_left() {
        let (directory, mut file, writer) = open_log();
        let plan = directory.path().join("plan");
        write(&mut file, 0..3);
        fs::remove_file(&writer.log).unwrap();
        let told = reload(std::slice::from_ref(&writer), &plan);
        assert!(told[0].contains("the file was removed"), "{told:?}");
        // Another instance has the new one open.
        let (_other, _another, mut second) = open_log();
        let (directory, mut file, writer) = open_log();
        write(&mut file, 0..3);
        fs::rename(&writer.log, directory.path().join("web-out.log.1")).unwrap();
        let new = File::create(&writer.log).unwrap();
        second.log.clone_from(&writer.log);
        second.descriptor = std::os::fd::AsRawFd::as_raw_fd(&new);
        let told = reload(&[writer, second], &plan);
        assert!(told[0].contains("different files"), "{told:?}");
        assert_eq!(lines(&directory.path().join("web-out.log.1")), numbered(0..3));
    }

    #[test]
    fn what_a_program_has_opened_itself_is_left_alone() {
        let (directory, _file, mut writer) = open_log();
        let own = File::create(directory.path().join("own.log")).unwrap();
        writer.descriptor = std::os::fd::AsRawFd::as_raw_fd(&own);
        assert_eq!(reload(&[writer], &directory.path().join("plan")), [""; 0]);
        assert!(directory.path().join("own.log").exists());
    }
}
