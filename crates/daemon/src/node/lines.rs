//! Bytes into lines, with a limit.

use crate::ipc::MAX_LINE;

/// Room that is kept between lines.
const KEPT: usize = 4 << 10;

/// A line went over [`MAX_LINE`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it sent a line over {} MiB", MAX_LINE >> 20)]
pub(super) struct TooLong;

/// The beginning of a line whose end has not come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// What has come of the next line.
    pub(super) fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Goes on where another has stopped.
    pub(super) fn resume(&mut self, rest: Vec<u8>) {
        self.rest = rest;
    }

    /// Gives each line that `bytes` completes to `take`, without its end. Stops at the first error.
    pub(super) fn feed<E: From<TooLong>>(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.rest.is_empty() {
                take(line)?;
            } else {
                self.rest.extend_from_slice(line);
                take(&self.rest)?;
                self.rest.clear();
                self.rest.shrink_to(KEPT);
            }
            bytes = rest;
        }
        if self.rest.len() + bytes.len() > MAX_LINE {
            return Err(TooLong.into());
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut lines = Lines::default();
        let chunk = vec![b'x'; 64 << 10];
        let outcome = (0..1_000).find_map(|_| lines.feed::<TooLong>(&chunk, |_| Ok(())).err());
        assert_eq!(outcome, Some(TooLong));
        assert!(lines.rest.len() <= MAX_LINE);
    }

    proptest! {
        #[test]
        fn chunks_of_any_size_give_the_same_lines(
            lines in prop::collection::vec("[a-z]{0,12}", 0..20),
            size in 1usize..17,
        ) {
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            let mut found = Vec::new();
            let mut splitter = Lines::default();
            for chunk in text.as_bytes().chunks(size) {
                splitter.feed::<TooLong>(chunk, |line| {
                    found.push(String::from_utf8_lossy(line).into_owned());
                    Ok(())
                }).unwrap();
            }
            prop_assert_eq!(found, lines);
        }
    }
}
