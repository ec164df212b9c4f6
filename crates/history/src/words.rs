//! What runs that failed said last.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{Key, Store, StoreError, store};

/// Lines that are kept of each stream.
pub const LINES: usize = 50;

/// Bytes that are kept of each stream.
pub const BYTES: usize = 8 << 10;

/// The last lines of a run's output, as they stand in its logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Of standard output; of both streams where they share a file.
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    pub out: Vec<String>,
    /// Of standard error.
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    pub error: Vec<String>,
}

impl Words {
    /// Whether it said nothing.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty() && self.error.is_empty()
    }
}

/// The last lines of `text`, of which the first may be the rest of a longer one.
pub fn last_lines(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    if text.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> =
        text.rsplit('\n').take(LINES).map(|line| line.trim_end_matches('\r').to_owned()).collect();
    lines.reverse();
    lines
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    key: Key,
    #[serde(flatten)]
    words: Words,
}

/// Puts the words of a run into the store.
pub fn keep(store: &mut Store, key: Key, words: Words) {
    let pending = store.pending();
    let start = pending.len();
    match serde_json::to_writer(&mut *pending, &Line { key, words }) {
        Ok(()) => pending.push(b'\n'),
        // Our own types have text keys only, so this cannot be.
        Err(_) => pending.truncate(start),
    }
}

/// The words of those of `runs` that are remembered in `directory`.
pub fn of(directory: &Path, runs: &[Key]) -> Result<HashMap<Key, Words>, StoreError> {
    let mut found = HashMap::new();
    let wanted: HashSet<_> = runs.iter().collect();
    if wanted.is_empty() {
        return Ok(found);
    }
    store::read_back(directory, |line| {
        if let Ok(Line { key, words }) = serde_json::from_slice(line)
            && wanted.contains(&key)
        {
            found.insert(key, words);
        }
        found.len() < wanted.len()
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rpm_core::ProcessId;

    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        assert!(last_lines(b"").is_empty());
        assert_eq!(last_lines(b"a\r\nb"), ["a", "b"]);
        assert_eq!(last_lines(b"\xff\n\n"), ["\u{fffd}", ""]);
        let many: Vec<_> = (0..80).map(|number| number.to_string()).collect();
        let lines = last_lines(many.join("\n").as_bytes());
        assert_eq!((lines.len(), &*lines[0], &*lines[49]), (LINES, "30", "79"));
    }

    #[test]
    fn words_are_found_by_their_run() {
        let directory = tempfile::tempdir().unwrap();
        let bound = store::Bound { lines: u64::MAX, bytes: 1 << 20 };
        let mut store = Store::new(directory.path().to_owned(), bound);
        let key = |pid| Key { id: ProcessId(1), pid, started: 5 };
        let words = |text: &str| Words { out: vec![text.to_owned()], error: vec![] };
        for pid in 1..4 {
            keep(&mut store, key(pid), words(&format!("of {pid}\u{1b}")));
        }
        store.flush().unwrap();
        let found = of(directory.path(), &[key(2), key(9)]).unwrap();
        assert_eq!(found, HashMap::from([(key(2), words("of 2\u{1b}"))]));
    }
}
