//! Taking lines out of a log that its app writes itself.
//!
//! The app holds the file open for appending, and nobody can make it open another one. So the beginning of the file is
//! copied away and then taken out of it (`FALLOC_FL_COLLAPSE_RANGE`): the kernel does that under the lock under which
//! it appends, so no byte is lost or doubled however fast the app writes. Only whole blocks of the file system can be
//! taken out. The line that lies across the end of the last one goes to the archive as a whole, and what is left of
//! it in the file is made blank.
//!
//! Where the file system cannot do that (it must be ext4, XFS or F2FS) the file is copied and emptied, and what the app
//! writes in the instant between the two is lost.
//!
//! The daemon may die between any two of these steps: [`plan`] says how the next one goes on.

mod plan;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
};
use rpm_core::cut::{ATTRIBUTE, Cut};
use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};

pub(crate) use self::plan::repair;
use self::plan::{Phase, Place, Plan};
use super::file;

/// How far the end of a line is searched for. A longer line is cut in two.
const LINE: u64 = 64 << 10;

/// How many blocks may stay in the file because the lines at their ends are not finished.
const STEPS: u64 = 64;

/// The places at which a test lets the daemon die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Copied,
    Planned,
    Marked,
    Cut,
    Blanked,
    Returned,
    Named,
}

#[cfg(not(test))]
fn reached(_: Step) {}
#[cfg(test)]
use self::tests::reached;

/// Moves what is in `log` to `archive`, which must not be there, as far as whole blocks can be taken out. False if there
/// is too little to be moved. Meanwhile there is a plan at the path `plan`, which nobody else uses at the same time.
pub(super) fn rotate(log: &Path, archive: &Path, plan: &Path) -> io::Result<bool> {
    let file = file::open(log, OpenOptions::new().read(true).write(true))?;
    let meta = file.metadata()?;
    match find_place(&file, meta.len(), meta.blksize().max(512))? {
        Some(place) => move_out(file, place, Plan::paths(log, archive), plan).map(|()| true),
        None => Ok(false),
    }
}

/// Gives the file at `moved` the name `log` again. The lines that are in it go to a new file at `moved`, all that are
/// whole; when that is certain `add` may write to the file what is to follow. For `plan` see [`rotate`].
pub(super) fn move_back(
    moved: &Path,
    log: &Path,
    plan: &Path,
    add: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let file = file::open(moved, OpenOptions::new().read(true).write(true))?;
    let meta = file.metadata()?;
    let whole = end_of_lines(&file, meta.len())?;
    let block = meta.blksize().max(512);
    let blocks = whole.min(meta.len().saturating_sub(1)) / block * block;
    add()?;
    move_out(file, Place { blocks, whole }, Plan::paths(moved, moved).back_to(log), plan)
}

fn move_out(mut file: File, place: Place, plan: Plan, plan_file: &Path) -> io::Result<()> {
    let part = plan.part();
    let mut plan = plan.of(&file, place, read_mark(&file))?;
    // One that lies there is of nobody.
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let meta = file.metadata()?;
    let mode = meta.mode() & 0o777;
    let mut copy = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(&part)?;
    // Only root can, and only root's logs are of others.
    let _ = fchown(&copy, Some(meta.uid()), Some(meta.gid()));
    let written = copy_range(&mut file, plan.start..place.whole, &mut copy).and_then(|()| {
        reached(Step::Copied);
        plan.enter(Phase::Marking, plan_file)
    });
    if let Err(error) = written {
        fs::remove_file(&part)?;
        return Err(error);
    }
    reached(Step::Planned);
    match cut(&mut file, &mut plan, &mut copy, plan_file) {
        Ok(after) => plan.finish(&file, &after, plan_file),
        Err(error) => {
            // Nothing was taken out of the log: what was copied would be double.
            plan.undo(&file, plan_file)?;
            Err(error)
        }
    }
}

/// The last place where a file of `length` bytes can be cut. Some byte must stay: the kernel wants it so.
fn find_place(file: &File, length: u64, block: u64) -> io::Result<Option<Place>> {
    let most = length.saturating_sub(1) / block * block;
    let mut blocks = most;
    let mut window = vec![0; LINE as usize];
    while blocks > 0 && most - blocks <= STEPS * block {
        // A break that is the last byte before the cut ends the line there.
        let from = blocks - 1;
        let read = read_at(file, &mut window[..LINE.min(length - from) as usize], from)?;
        if let Some(end) = window[..read].iter().position(|&byte| byte == b'\n') {
            return Ok(Some(Place { blocks, whole: from + end as u64 + 1 }));
        }
        blocks -= block;
    }
    Ok((most > 0).then_some(Place { blocks: most, whole: most }))
}

/// Where the last whole line of a file of `length` bytes ends; 0 if there is none.
fn end_of_lines(file: &File, length: u64) -> io::Result<u64> {
    let mut window = vec![0; LINE as usize];
    let mut end = length;
    while end > 0 {
        let from = end.saturating_sub(LINE);
        let read = read_at(file, &mut window[..(end - from) as usize], from)?;
        if let Some(last) = window[..read].iter().rposition(|&byte| byte == b'\n') {
            return Ok(from + last as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

/// Takes the blocks out, or empties the file where that cannot be done, and says how the file stands then. An error says
/// that nothing was taken out.
fn cut(file: &mut File, plan: &mut Plan, copy: &mut File, plan_file: &Path) -> io::Result<Cut> {
    let place = plan.place;
    // A mark that cannot be set is missed only by those who follow the file just now.
    let _ = write_mark(file, &Cut { under_way: true, ..plan.before.clone() });
    plan.mark_head(file)?;
    plan.enter(Phase::Cutting, plan_file)?;
    reached(Step::Marked);
    let outcome = if place.blocks == 0 {
        Ok(())
    } else {
        fallocate(&*file, FallocateFlags::FALLOC_FL_COLLAPSE_RANGE, 0, place.blocks as i64)
    };
    let after = match outcome {
        Ok(()) => plan.after(),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) if file.metadata()?.len() >= place.whole => {
            plan.enter(Phase::Emptying, plan_file)?;
            empty(file, place.whole, copy)?;
            Cut::default()
        }
        // Somebody emptied it meanwhile. The copy is all there is.
        Err(Errno::EINVAL) => Cut::default(),
        Err(errno) => return Err(errno.into()),
    };
    reached(Step::Cut);
    Ok(after)
}

/// Copies what is behind `from` and empties the file at once.
fn empty(file: &mut File, from: u64, copy: &mut File) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    // Until the end is reached and nothing more has come: then there is only an instant until it is empty.
    while io::copy(file, copy)? > 0 {}
    file.set_len(0)
}

/// `expected` if the file really begins with so many blank bytes. It may have been emptied since.
fn blank_bytes(file: &File, expected: u64) -> io::Result<u64> {
    if expected == 0 || expected > LINE {
        return Ok(0);
    }
    let mut head = vec![0; expected as usize];
    let read = read_at(file, &mut head, 0)?;
    let is_blank = head[..read].strip_suffix(b"\n").is_some_and(|rest| rest.iter().all(|&byte| byte == b' '));
    Ok(if read as u64 == expected && is_blank { expected } else { 0 })
}

fn copy_range(file: &mut File, range: std::ops::Range<u64>, copy: &mut File) -> io::Result<()> {
    file.seek(SeekFrom::Start(range.start))?;
    let length = range.end.saturating_sub(range.start);
    let copied = io::copy(&mut (&*file).take(length), copy)?;
    if copied < length {
        return Err(io::Error::other("it was emptied while it was rotated"));
    }
    copy.flush()
}

/// Fills `buffer` from `at` on, as far as the file goes.
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64)? {
            0 => break,
            length => read += length,
        }
    }
    Ok(read)
}

/// What the mark on the file says; nothing was cut if it has none.
pub(super) fn read_mark(file: &File) -> Cut {
    let mut text = [0; 512];
    let length = fgetxattr(file, ATTRIBUTE, &mut text[..]).unwrap_or(0);
    std::str::from_utf8(&text[..length]).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn write_mark(file: &File, cut: &Cut) -> rustix::io::Result<()> {
    fsetxattr(file, ATTRIBUTE, cut.to_string().as_bytes(), XattrFlags::empty())
}

#[cfg(test)]
mod tests;
