//! The last lines of a file.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

/// Bytes that are read at once on the way back.
const BLOCK: usize = 64 << 10;

/// Where the last `lines` lines of the first `end` bytes begin, however long they are. A last line without a line
/// break counts.
pub(crate) fn start_of_last(file: &File, end: u64, lines: usize) -> io::Result<u64> {
    if lines == 0 {
        return Ok(end);
    }
    let mut block = vec![0; BLOCK];
    let mut left = lines;
    let mut at = end;
    while at > 0 {
        let length = (BLOCK as u64).min(at);
        at -= length;
        let part = &mut block[..length as usize];
        file.read_exact_at(part, at)?;
        for (index, byte) in part.iter().enumerate().rev() {
            let position = at + index as u64;
            // The break at the very end belongs to the last line.
            if *byte == b'\n' && position + 1 < end {
                left -= 1;
                if left == 0 {
                    return Ok(position + 1);
                }
            }
        }
    }
    Ok(0)
}

/// Gives each of the last lines of `file` to `print`, without its break. Returns the length of the file as it was:
/// what follows is new.
pub(crate) fn tail(file: &mut File, lines: usize, mut print: impl FnMut(&[u8])) -> io::Result<u64> {
    let end = file.metadata()?.len();
    let start = start_of_last(file, end, lines)?;
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::new(file.take(end - start));
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        print(line.strip_suffix(b"\n").unwrap_or(&line));
        line.clear();
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn file_with(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn last(content: &[u8], lines: usize) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let end = tail(&mut file_with(content), lines, |line| found.push(line.to_vec())).unwrap();
        assert_eq!(end, content.len() as u64);
        found
    }

    /// The same, by reading everything.
    fn naive(content: &[u8], lines: usize) -> Vec<Vec<u8>> {
        let mut all: Vec<_> = content.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        if all.last().is_some_and(Vec::is_empty) {
            all.pop();
        }
        all.split_off(all.len().saturating_sub(lines))
    }

    #[test]
    fn lines_may_be_empty_or_unfinished() {
        assert_eq!(last(b"", 3), Vec::<Vec<u8>>::new());
        assert_eq!(last(b"\n", 3), [b""]);
        assert_eq!(last(b"a\n\nb\n\n", 3), [b"".as_slice(), b"b", b""]);
        assert_eq!(last(b"a\nb", 1), [b"b"]);
        assert_eq!(last(b"a\nb\n", 0), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn lines_may_be_longer_than_a_block() {
        let long = [vec![b'x'; 3 * BLOCK + 7], b"\nshort\n".to_vec()].concat();
        assert_eq!(last(&long, 1), [b"short"]);
        assert_eq!(last(&long, 2), naive(&long, 2));
        // A break as the first and as the last byte of a block.
        for length in [BLOCK - 1, BLOCK, BLOCK + 1] {
            let content = [b"first\n".to_vec(), vec![b'y'; length], b"\nz\n".to_vec()].concat();
            for lines in 1..4 {
                assert_eq!(last(&content, lines), naive(&content, lines), "{length} {lines}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_content_and_any_number(
            content in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..400),
            lines in 0usize..60,
        ) {
            prop_assert_eq!(last(&content, lines), naive(&content, lines));
        }
    }
}
