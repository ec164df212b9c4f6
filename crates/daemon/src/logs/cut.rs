//! Rotating a log that its app writes itself.
//!
//! The app holds the file open for appending, and nobody can make it open another one. So the beginning of the file is
//! copied away and then taken out of it (`FALLOC_FL_COLLAPSE_RANGE`): the kernel does that under the lock under which
//! it appends, so no byte is lost or doubled however fast the app writes. Only whole blocks of the file system can be
//! taken out. The line that lies across the end of the last one goes to the archive as a whole, and what is left of
//! it in the file is made blank.
//!
//! Where the file system cannot do that (it must be ext4, XFS or F2FS) the file is copied and emptied, and what the app
//! writes in the instant between the two is lost.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
};
use rpm_core::cut::{ATTRIBUTE, Cut};
use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};

/// How far the end of a line is searched for. A longer line is cut in two.
const LINE: u64 = 64 << 10;

/// How many blocks may stay in the file because the lines at their ends are not finished.
const STEPS: u64 = 64;

/// Moves what is in `log` to `archive`, which must not be there. False if there is too little to be moved.
pub(super) fn rotate(log: &Path, archive: &Path) -> io::Result<bool> {
    let mut file = OpenOptions::new().read(true).write(true).open(log)?;
    let meta = file.metadata()?;
    let before = read_mark(&file);
    let Some(place) = find_place(&file, meta.len(), meta.blksize().max(512))? else { return Ok(false) };
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(meta.mode() & 0o777).open(archive)?;
    let start = blank_bytes(&file, before.blank)?;
    let copied = copy_range(&mut file, start..place.whole, &mut copy).and_then(|()| {
        let name = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let after = Cut {
            bytes: before.bytes + place.blocks,
            blank: place.whole - place.blocks,
            under_way: false,
            archive: name,
        };
        cut(&mut file, &place, &before, &after, &mut copy)
    });
    if copied.is_err() {
        // Nothing was taken out of the log: what was copied would be double.
        std::fs::remove_file(archive)?;
    }
    copied.map(|()| true)
}

/// Where a log is cut.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// So many bytes can be taken out: whole blocks.
    blocks: u64,
    /// So many are whole lines; at least as many.
    whole: u64,
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

/// Takes the blocks out, or empties the file where that cannot be done. An error says that nothing was taken out.
fn cut(file: &mut File, place: &Place, before: &Cut, after: &Cut, copy: &mut File) -> io::Result<()> {
    // A mark that cannot be set is missed only by those who follow the file just now.
    let _ = write_mark(file, &Cut { under_way: true, ..before.clone() });
    let outcome = fallocate(&*file, FallocateFlags::FALLOC_FL_COLLAPSE_RANGE, 0, place.blocks as i64);
    match outcome {
        Ok(()) => {
            make_blank(file, after.blank);
            let _ = write_mark(file, after);
            Ok(())
        }
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) if file.metadata()?.len() > place.whole => {
            let emptied = empty(file, place.whole, copy);
            let _ = write_mark(file, &Cut::default());
            emptied
        }
        // Somebody emptied it meanwhile. The copy is all there is.
        Err(Errno::EINVAL) => {
            let _ = write_mark(file, &Cut::default());
            Ok(())
        }
        Err(errno) => {
            let _ = write_mark(file, before);
            Err(errno.into())
        }
    }
}

/// Copies what is behind `from` and empties the file at once.
fn empty(file: &mut File, from: u64, copy: &mut File) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    // Until the end is reached and nothing more has come: then there is only an instant until it is empty.
    while io::copy(file, copy)? > 0 {}
    file.set_len(0)
}

/// Overwrites the first bytes, the rest of a line that is whole in the archive, up to its break.
fn make_blank(file: &File, bytes: u64) {
    let Some(spaces) = bytes.checked_sub(1) else { return };
    if let Err(error) = file.write_all_at(&vec![b' '; spaces as usize], 0) {
        tracing::warn!("the rest of a line stays in a rotated log: {error}");
    }
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
    let length = range.end - range.start;
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
mod tests {
    use std::{fs, path::PathBuf, process::Command};

    use proptest::prelude::*;

    use super::*;

    const BLOCK: u64 = 4096;

    fn log(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        fs::write(&path, content).unwrap();
        (directory, path)
    }

    fn place(content: &[u8]) -> Option<Place> {
        let (_directory, path) = log(content);
        find_place(&File::open(path).unwrap(), content.len() as u64, BLOCK).unwrap()
    }

    #[test]
    fn it_is_cut_at_the_end_of_a_line() {
        let lines =
            |length: usize, count: usize| format!("{}\n", "x".repeat(length - 1)).repeat(count).into_bytes();
        // Less than a block, and just one: something must stay.
        assert_eq!(place(&lines(100, 40)), None);
        assert_eq!(place(&lines(64, 64)), None);
        assert_eq!(place(&lines(64, 65)), Some(Place { blocks: 4096, whole: 4096 }));
        assert_eq!(place(&lines(100, 41)), Some(Place { blocks: 4096, whole: 4100 }));
        // The last line is not finished: a block earlier.
        let mut content = lines(100, 82);
        content.extend_from_slice(&[b'y'; 50]);
        assert_eq!(place(&content), Some(Place { blocks: 8192, whole: 8200 }));
        content.truncate(8193);
        assert_eq!(place(&content), Some(Place { blocks: 4096, whole: 4100 }));
        // No line at all.
        assert_eq!(place(&[b'z'; 9000]), Some(Place { blocks: 8192, whole: 8192 }));
    }

    /// The lines of the archives in order and then of the log, blank ones left out.
    fn all_lines(directory: &Path, archives: usize) -> Vec<String> {
        let names = (0..archives).map(|number| format!("a__{number}.log")).chain(["a.log".to_owned()]);
        let texts = names.filter_map(|name| fs::read_to_string(directory.join(name)).ok());
        texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| !line.trim().is_empty())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_line_is_whole_and_there_once(rounds in proptest::collection::vec(
            proptest::collection::vec(1usize..3000, 0..12), 1..6)
        ) {
            let (directory, path) = log(b"");
            let mut written = Vec::new();
            for (number, lengths) in rounds.iter().enumerate() {
                let mut file = OpenOptions::new().append(true).open(&path).unwrap();
                for length in lengths {
                    let line = format!("{}:{}", written.len(), "x".repeat(*length));
                    writeln!(file, "{line}").unwrap();
                    written.push(line);
                }
                rotate(&path, &directory.path().join(format!("a__{number}.log"))).unwrap();
            }
            prop_assert_eq!(all_lines(directory.path(), rounds.len()), written);
        }
    }

    #[test]
    fn a_writer_loses_nothing() {
        let (directory, path) = log(b"");
        let script =
            format!("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); echo line $i; done >> '{}'", path.display());
        let mut writer = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        let mut archives = 0;
        while writer.try_wait().unwrap().is_none() {
            let archive = directory.path().join(format!("a__{archives}.log"));
            if fs::metadata(&path).unwrap().len() > 20_000 && rotate(&path, &archive).unwrap() {
                archives += 1;
            }
        }
        assert!(archives >= 20, "{archives} rotations only");
        let expected: Vec<_> = (1..=60_000).map(|number| format!("line {number}")).collect();
        assert!(all_lines(directory.path(), archives) == expected);
    }

    #[test]
    fn lines_after_an_emptying_are_not_taken_for_blanks() {
        let (directory, path) = log(format!("{}\n", "x".repeat(99)).repeat(50).as_bytes());
        rotate(&path, &directory.path().join("a__0.log")).unwrap();
        assert_eq!(read_mark(&File::open(&path).unwrap()).blank, 4);
        fs::write(&path, "y\n".repeat(3000)).unwrap();
        rotate(&path, &directory.path().join("a__1.log")).unwrap();
        fs::remove_file(directory.path().join("a__0.log")).unwrap();
        assert_eq!(all_lines(directory.path(), 2).len(), 3000);
    }
}
