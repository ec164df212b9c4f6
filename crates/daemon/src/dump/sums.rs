//! Sums over the lists that `save` has written, in a file beside them.
//!
//! The list itself has no place for one: in PM2's format other programs read it and write it. What they have written has no
//! sum, or is newer than the sums, and is taken as it is; what is older and has none of them was damaged on the disk.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use rpm_core::Home;

use crate::files::replace;

/// Lists whose sums are kept: the present one and the backups.
const KEPT: usize = 8;

/// What the sums say about a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is what `save` has written.
    Whole,
    /// Nothing: there are no sums, or the list is newer.
    None,
    /// It was damaged.
    Damaged,
}

/// Notes the list that has just been written. That it cannot be is no failure: the list has no proof then.
pub(super) fn note(home: &Home, text: &[u8]) {
    let path = home.dump_sums();
    let mut sums = vec![crc32fast::hash(text)];
    sums.extend(read(&path).unwrap_or_default());
    sums.truncate(KEPT);
    let lines = sums.iter().map(|sum| format!("{sum:08x}")).collect::<Vec<_>>().join("\n");
    if let Err(error) = replace(&path, lines.as_bytes()) {
        tracing::warn!("{}: {error}", path.display());
    }
}

/// What the sums say about `text`, the content of the list at `path`.
pub fn proof(home: &Home, path: &Path, text: &[u8]) -> Proof {
    let Some(sums) = read(&home.dump_sums()) else { return Proof::None };
    if sums.contains(&crc32fast::hash(text)) {
        return Proof::Whole;
    }
    // The time of the last change cannot be set by whoever copies a file into its place.
    let changed = |path: &Path| fs::metadata(path).map(|meta| (meta.ctime(), meta.ctime_nsec()));
    match (changed(path), changed(&home.dump_sums())) {
        (Ok(list), Ok(sums)) if list <= sums => Proof::Damaged,
        _ => Proof::None,
    }
}

/// `None` where there are none.
fn read(path: &Path) -> Option<Vec<u32>> {
    let text = fs::read_to_string(path).ok()?;
    let sums: Option<Vec<u32>> = text.lines().map(|line| u32::from_str_radix(line, 16).ok()).collect();
    sums.filter(|sums| !sums.is_empty())
}

#[cfg(test)]
mod tests {
    use rpm_core::Persona;

    use super::*;

    #[test]
    fn what_others_write_is_taken_and_what_has_changed_by_itself_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().into(), Persona::Pm2);
        fs::create_dir(home.state_dir()).unwrap();
        let list = home.dump();
        fs::write(&list, "[1]").unwrap();
        assert_eq!(proof(&home, &list, b"[1]"), Proof::None);
        note(&home, b"[1]");
        assert_eq!(proof(&home, &list, b"[1]"), Proof::Whole);
        note(&home, b"[2]");
        assert_eq!(proof(&home, &list, b"[1]"), Proof::Whole, "a backup");
        assert_eq!(proof(&home, &list, b"[3]"), Proof::Damaged, "older than the sums");
        let newer = || {
            fs::write(&list, "[3]").unwrap();
            proof(&home, &list, b"[3]") == Proof::None
        };
        // The clock of the file system may be slow.
        assert!((0..1000).any(|_| newer()));
        fs::write(home.dump_sums(), "garbage").unwrap();
        assert_eq!(proof(&home, &list, b"[1]"), Proof::None);
    }
}
