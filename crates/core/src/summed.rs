//! Lines of JSON objects with a checksum as their last entry.

/// What stands between the object and the sum over it.
const SUM: &[u8] = b",\"sum\":";

/// Ends the object that begins at `start` and is the last in `lines` with a sum over it, and the line.
pub fn seal(lines: &mut Vec<u8>, start: usize) {
    lines.pop();
    let sum = crc32fast::hash(lines.get(start..).unwrap_or_default());
    lines.extend_from_slice(SUM);
    lines.extend_from_slice(sum.to_string().as_bytes());
    lines.extend_from_slice(b"}\n");
}

/// Whether a line was written with a sum, if perhaps another line.
pub fn is_summed(line: &[u8]) -> bool {
    line.windows(SUM.len()).any(|part| part == SUM)
}

/// The object of a line, without its closing brace; `None` if the line is not as it was written.
pub fn content(line: &[u8]) -> Option<&[u8]> {
    let end = line.windows(SUM.len()).rposition(|part| part == SUM)?;
    let (object, sum) = (line.get(..end)?, line.get(end + SUM.len()..)?.strip_suffix(b"}\n")?);
    let sum: u32 = str::from_utf8(sum).ok()?.parse().ok()?;
    (sum == crc32fast::hash(object)).then_some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written_or_not_at_all() {
        let mut lines = b"{\"a\":1}\n".to_vec();
        let start = lines.len();
        lines.extend_from_slice(b"{\"b\":2}");
        seal(&mut lines, start);
        let line = &lines[start..];
        assert_eq!(content(line), Some(&b"{\"b\":2"[..]));
        for place in 0..line.len() {
            let mut damaged = line.to_vec();
            damaged[place] ^= 1;
            assert_eq!(content(&damaged), None, "byte {place}");
        }
        assert!(is_summed(line) && !is_summed(&lines[..start]));
    }
}
