//! What rotated logs are called, and which of them are kept: the names of pm2-logrotate.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Between the name of a log and the date of its rotation.
const MARK: &str = "__";

/// A rotated log.
#[derive(Debug)]
struct Archive {
    path: PathBuf,
    /// The log that it was part of.
    log: PathBuf,
    bytes: u64,
    /// When it was rotated: it is not written to afterwards. Then, for rotations in the same tick of the clock, the
    /// number in its name.
    at: (SystemTime, u32),
}

/// `x.log`, rotated on `date`, as `x__<date>.log`; where that name is taken, compressed or not, with a number after
/// the date that is higher than all before.
pub(super) fn free_name(log: &Path, date: &str) -> io::Result<PathBuf> {
    let name = log.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (stem, extension) = split_extension(&name);
    // A date is part of a name: it cannot lead elsewhere.
    let date = date.replace('/', "-");
    let plain = log.with_file_name(format!("{stem}{MARK}{date}{extension}"));
    let others = in_directory(log.parent().unwrap_or(Path::new("/")))?;
    let taken = others.iter().map(|archive| numbered(&archive.path)).filter(|(other, _)| *other == plain);
    Ok(match taken.map(|(_, number)| number).max() {
        None => plain,
        Some(number) => log.with_file_name(format!("{stem}{MARK}{date}.{}{extension}", number + 1)),
    })
}

/// The name of an archive without its number, and that, which is 0 for the first.
fn numbered(archive: &Path) -> (PathBuf, u32) {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let (name, extension) = split_extension(name.strip_suffix(".gz").unwrap_or(&name));
    let numbered = name.rsplit_once('.').and_then(|(name, number)| Some((name, number.parse().ok()?)));
    let (name, number) = numbered.unwrap_or((name, 0));
    (archive.with_file_name(format!("{name}{extension}")), number)
}

fn split_extension(name: &str) -> (&str, &str) {
    name.strip_suffix(".log").map_or((name, ""), |stem| (stem, ".log"))
}

/// The name of an archive once it is compressed.
pub(super) fn compressed(archive: &Path) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

/// The log that `path` is an archive of, by its name.
pub(crate) fn log_of_archive(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let (name, extension) = split_extension(name);
    let (stem, date) = name.rsplit_once(MARK)?;
    (!stem.is_empty() && !date.is_empty()).then(|| path.with_file_name(format!("{stem}{extension}")))
}

/// Removes the oldest archives: of each log in `directories` all but `retain`, and then of all together those beyond
/// `budget` bytes. Only `logs` are pruned by number; the budget holds for whatever lies in the first directory.
pub(super) fn prune(
    logs: &[PathBuf],
    retain: Option<usize>,
    home: &Path,
    budget: Option<u64>,
) -> io::Result<()> {
    let mut directories: Vec<&Path> = logs.iter().filter_map(|log| log.parent()).collect();
    directories.push(home);
    directories.sort_unstable();
    directories.dedup();
    let mut archives = Vec::new();
    for directory in directories {
        archives.extend(in_directory(directory)?);
    }
    archives.retain(|archive| !logs.contains(&archive.path));
    // The newest first.
    archives.sort_by_key(|archive| std::cmp::Reverse(archive.at));
    let mut counts: HashMap<PathBuf, usize> = HashMap::new();
    let mut total = 0;
    for archive in archives {
        let is_ours = logs.contains(&archive.log);
        let count = counts.entry(archive.log).or_default();
        *count += 1;
        let is_surplus = is_ours && retain.is_some_and(|retain| *count > retain);
        let in_home = archive.path.parent() == Some(home);
        let over_budget = (is_ours || in_home) && budget.is_some_and(|budget| total + archive.bytes > budget);
        if is_surplus || over_budget {
            remove(&archive.path)?;
        } else if is_ours || in_home {
            total += archive.bytes;
        }
    }
    Ok(())
}

fn in_directory(directory: &Path) -> io::Result<Vec<Archive>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let archive = |path: PathBuf| {
        let log = log_of_archive(&path)?;
        // One that went meanwhile is none.
        let meta = path.symlink_metadata().ok().filter(fs::Metadata::is_file)?;
        Some(Archive { log, bytes: meta.len(), at: (meta.modified().ok()?, numbered(&path).1), path })
    };
    Ok(entries.flatten().filter_map(|entry| archive(entry.path())).collect())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_pm2_logrotate() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("web-out.log");
        let first = free_name(&log, "2026-01-02_03-04-05").unwrap();
        assert_eq!(first.file_name().unwrap(), "web-out__2026-01-02_03-04-05.log");
        fs::write(compressed(&first), "").unwrap();
        let second = free_name(&log, "2026-01-02_03-04-05").unwrap();
        assert_eq!(second.file_name().unwrap(), "web-out__2026-01-02_03-04-05.1.log");
        for archive in [&first, &second, &compressed(&second)] {
            assert_eq!(log_of_archive(archive).as_ref(), Some(&log));
        }
        let plain = directory.path().join("plain");
        assert_eq!(log_of_archive(&free_name(&plain, "D/M").unwrap()), Some(plain));
        for name in ["web-out.log", "__D.log", "a__.log", "a_b.log"] {
            assert_eq!(log_of_archive(&directory.path().join(name)), None, "{name}");
        }
    }

    #[test]
    fn a_log_is_no_archive_whatever_it_is_called() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["a.log", "a__b.log", "a__c.log", "a__d.log"] {
            fs::write(path(name), "x").unwrap();
        }
        prune(&[path("a.log"), path("a__b.log")], Some(1), directory.path(), Some(1)).unwrap();
        assert!(path("a.log").exists() && path("a__b.log").exists());
        assert!(path("a__c.log").exists() != path("a__d.log").exists());
    }
}
