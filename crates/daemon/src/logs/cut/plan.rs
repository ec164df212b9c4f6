//! A cut that is under way, on disk: whoever finds it there goes on with it, or takes it back.
//!
//! What decides is the head of the log. Before anything is taken out its first bytes, which were copied and stand in the
//! plan, are replaced by the plan's mark. Where the mark still stands nothing was taken out: the bytes are put back, and
//! the copy goes. Where it does not stand any more the copy is the only place of what was taken out.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    time::SystemTime,
};

use rpm_core::cut::Cut;
use serde::{Deserialize, Serialize};

use super::{super::file, Step, blank_bytes, reached, read_at, write_mark};

/// Bytes of the mark; a block of a file system has more.
const MARK: usize = 40;

/// Where a log is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// So many bytes can be taken out: whole blocks.
    pub blocks: u64,
    /// So many are whole lines; at least as many.
    pub whole: u64,
}

/// A cut.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    log: PathBuf,
    archive: PathBuf,
    /// The name that the log gets back.
    back: Option<PathBuf>,
    /// Device and number of the log.
    identity: (u64, u64),
    pub place: Place,
    /// What is copied begins here; before it are blanks.
    pub start: u64,
    /// How the log stood before.
    pub before: Cut,
    /// The first bytes of the log, and what stands there while nothing was taken out.
    head: Vec<u8>,
    mark: String,
    phase: Phase,
}

/// How far it may have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// The mark is being written; nothing is taken out.
    Marking,
    /// The mark stands there until the blocks are taken out.
    Cutting,
    /// The mark stands there until the file is emptied as a whole.
    Emptying,
}

impl Plan {
    /// A cut that moves lines of `log` to `archive`.
    pub(super) fn paths(log: &Path, archive: &Path) -> Self {
        Self {
            log: log.to_owned(),
            archive: archive.to_owned(),
            back: None,
            identity: (0, 0),
            place: Place::default(),
            start: 0,
            before: Cut::default(),
            head: Vec::new(),
            mark: String::new(),
            phase: Phase::Marking,
        }
    }

    /// The log gets the name `log`.
    pub(super) fn back_to(self, log: &Path) -> Self {
        Self { back: Some(log.to_owned()), ..self }
    }

    /// The cut of this file.
    pub(super) fn of(self, file: &File, place: Place, before: Cut) -> io::Result<Self> {
        let mut head = vec![0; MARK.min(place.whole as usize)];
        let read = read_at(file, &mut head, 0)?;
        head.truncate(read);
        // No app writes this by chance.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut mark = format!("{:010}{:029}", process::id(), now.as_nanos());
        mark.truncate(head.len().saturating_sub(1));
        mark.push_str(if head.is_empty() { "" } else { "\n" });
        let start = blank_bytes(file, before.blank)?.min(place.whole);
        Ok(Self { identity: identity(file)?, place, start, before, head, mark, ..self })
    }

    /// Where the copy is until the cut is done: a name that stands for no log and no archive.
    pub(super) fn part(&self) -> PathBuf {
        let name = self.archive.file_name().unwrap_or_default().to_string_lossy();
        self.archive.with_file_name(format!(".{name}.part"))
    }

    /// Notes at `path` that it comes to `phase`; there it is in whole or not at all.
    pub(super) fn enter(&mut self, phase: Phase, path: &Path) -> io::Result<()> {
        self.phase = phase;
        let unfinished = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(unfinished, path)
    }

    /// Puts the mark into the place of the first bytes.
    pub(super) fn mark_head(&self, file: &File) -> io::Result<()> {
        file.write_all_at(self.mark.as_bytes(), 0)
    }

    fn is_marked(&self, file: &File) -> io::Result<bool> {
        let mut head = vec![0; self.mark.len()];
        let read = read_at(file, &mut head, 0)?;
        Ok(!self.mark.is_empty() && head[..read] == *self.mark.as_bytes())
    }

    /// How the log stands when it is cut.
    pub(super) fn after(&self) -> Cut {
        if self.phase == Phase::Emptying {
            return Cut::default();
        }
        let name = self.archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Cut {
            bytes: self.before.bytes + self.place.blocks,
            blank: self.place.whole - self.place.blocks,
            under_way: false,
            archive: name,
        }
    }

    /// Takes it back: nothing was taken out of the log.
    pub(super) fn undo(&self, file: &File, path: &Path) -> io::Result<()> {
        if self.is_marked(file)? {
            file.write_all_at(&self.head, 0)?;
        }
        let _ = write_mark(file, &self.before);
        unless_gone(fs::remove_file(self.part()))?;
        fs::remove_file(path)
    }

    /// Does what is left to be done when the bytes were taken out; `after` is how the log stands now.
    pub(super) fn finish(&self, file: &File, after: &Cut, path: &Path) -> io::Result<()> {
        // Where the log was emptied there is no rest.
        if after.blank > 0
            && let Err(error) = self.make_blank(file)
        {
            tracing::warn!("the rest of a line stays in a rotated log: {error}");
        }
        reached(Step::Blanked);
        if let Some(back) = &self.back {
            // The other name is free for the copy then.
            match fs::metadata(&self.log) {
                Ok(meta) if (meta.dev(), meta.ino()) == self.identity => fs::rename(&self.log, back)?,
                _ => {}
            }
        }
        reached(Step::Returned);
        unless_gone(fs::rename(self.part(), &self.archive))?;
        reached(Step::Named);
        // Who follows the log looks for the archive now.
        let _ = write_mark(file, after);
        fs::remove_file(path)
    }

    /// Overwrites the rest of what was copied with blanks, up to its last break; all that still stands there.
    fn make_blank(&self, file: &File) -> io::Result<()> {
        let Place { blocks, whole } = self.place;
        let mut found = vec![0; (whole - blocks) as usize];
        let read = read_at(file, &mut found, 0)?;
        let mut expected = vec![b' '; found.len()];
        // What was not copied was blank already.
        let skipped = self.start.saturating_sub(blocks).min(whole - blocks) as usize;
        let copied = (blocks + skipped as u64).saturating_sub(self.start);
        let part = match File::open(self.part()) {
            Ok(part) => part,
            // That was done before it got its name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        read_at(&part, &mut expected[skipped..], copied)?;
        if let Some(last) = skipped.checked_sub(1) {
            expected[last] = b'\n';
        }
        if blocks == 0 {
            let mark = self.mark.as_bytes();
            if found.starts_with(mark) {
                found[..mark.len()].copy_from_slice(&expected[..mark.len()]);
            }
        }
        let is_rest = read == found.len()
            && found.iter().zip(&expected).all(|(&found, &expected)| found == expected || found == b' ');
        if is_rest {
            let mut blanks = vec![b' '; found.len()];
            if let Some(last) = blanks.last_mut() {
                *last = b'\n';
            }
            file.write_all_at(&blanks, 0)?;
        }
        Ok(())
    }
}

/// Goes on with the cut, or takes it back, that a daemon has left at `path` when it died.
pub(crate) fn repair(path: &Path) -> io::Result<()> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let plan: Plan = serde_json::from_slice(&text)?;
    let is_it = |file: &File| identity(file).is_ok_and(|identity| identity == plan.identity);
    let open = |log: &PathBuf| file::open(log, OpenOptions::new().read(true).write(true)).ok().filter(is_it);
    match [Some(&plan.log), plan.back.as_ref()].into_iter().flatten().find_map(open) {
        Some(file) if plan.phase == Phase::Marking || plan.is_marked(&file)? => plan.undo(&file, path),
        Some(file) => plan.finish(&file, &plan.after(), path),
        // Somebody has moved or removed it: the copy may be all there is.
        None => {
            unless_gone(fs::rename(plan.part(), &plan.archive))?;
            fs::remove_file(path)
        }
    }
}

/// Device and number.
fn identity(file: &File) -> io::Result<(u64, u64)> {
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()))
}

fn unless_gone(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
