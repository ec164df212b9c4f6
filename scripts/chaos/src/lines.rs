//! Whether every line is in the logs, once.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use crate::world::World;

/// What is known of the lines of all runs so far.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// How many lines there are.
    pub(crate) counted: u64,
    /// Lines of runs that ended while no daemon was there to empty their pipe.
    pub(crate) left_in_pipes: u64,
}

/// One run's lines.
#[derive(Debug, Default)]
struct Run {
    numbers: Vec<u64>,
}

impl Lines {
    /// What is wrong now. What the design does not promise is forgiven to the runs of which `is_forgiven` is true.
    pub(crate) fn check(&mut self, world: &World, is_forgiven: impl Fn(&str) -> bool) -> Vec<String> {
        // First what left the apps, then where it must have arrived.
        let ledger = ledger(&world.ledger());
        let (mut runs, mut wrong) = read_logs(&world.home().join("logs"));
        self.counted = 0;
        self.left_in_pipes = 0;
        for (token, written) in ledger {
            let run = runs.remove(&token).unwrap_or_default();
            self.counted += run.numbers.len() as u64;
            let Some(reason) = run.fault(written) else { continue };
            if is_forgiven(&token) && run.is_only_cut(written) {
                self.left_in_pipes += written - run.numbers.len() as u64;
            } else {
                wrong.push(format!("{token}: {reason}"));
            }
        }
        wrong
    }
}

impl Run {
    /// What is wrong if `written` lines have certainly left the app.
    fn fault(&self, written: u64) -> Option<String> {
        let mut sorted = self.numbers.clone();
        sorted.sort_unstable();
        if let Some((number, _)) = sorted.iter().zip(&sorted[1.min(sorted.len())..]).find(|(a, b)| a == b) {
            return Some(format!("line {number} is there twice"));
        }
        if let Some(missing) = (0..).zip(&sorted).find(|&(expected, &number)| expected != number) {
            return Some(format!("line {} is missing, {} is there", missing.0, missing.1));
        }
        let there = sorted.len() as u64;
        (there < written).then(|| format!("of {written} lines only the first {there} are there"))
    }

    /// Whether only the last ones are missing.
    fn is_only_cut(&self, written: u64) -> bool {
        self.fault(0).is_none() && (self.numbers.len() as u64) < written
    }
}

/// How many lines each run has certainly written.
fn ledger(directory: &Path) -> BTreeMap<String, u64> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len())))
        .collect()
}

/// The lines of all logs, and what is none. Logs that are rotated meanwhile are read again.
fn read_logs(directory: &Path) -> (HashMap<String, Run>, Vec<String>) {
    let mut logs = Vec::new();
    for _ in 0..20 {
        let before = names(directory);
        let read = |name: &PathBuf| Some((name.clone(), fs::read(name).ok()?));
        logs = before.iter().filter_map(read).collect();
        if names(directory) == before {
            break;
        }
    }
    let mut runs: HashMap<String, Run> = HashMap::new();
    let mut torn = Vec::new();
    for (path, bytes) in logs {
        // The last line may be on its way.
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.rsplit(' ');
            let number = words.next().and_then(|word| word.parse().ok());
            match (number, words.next().filter(|token| token.split(':').count() == 4)) {
                (Some(number), Some(token)) => match runs.get_mut(token) {
                    Some(run) => run.numbers.push(number),
                    None => drop(runs.insert(token.to_owned(), Run { numbers: vec![number] })),
                },
                _ if torn.len() < 3 && is_out(&path) => {
                    torn.push(format!("{}: no line of an app: {line:?}", path.display()));
                }
                _ => {}
            }
        }
    }
    (runs, torn)
}

/// The files there are.
fn names(directory: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    names.sort_unstable();
    names
}

/// Standard error also has what a shell says.
fn is_out(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains("-out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_doubled_lines_are_told() {
        let fault = |numbers: &[u64], written| Run { numbers: numbers.to_vec() }.fault(written);
        assert_eq!(fault(&[], 0), None);
        assert_eq!(fault(&[1, 0, 2], 2), None);
        assert!(fault(&[0, 1, 1], 2).unwrap().contains("line 1 is there twice"));
        assert!(fault(&[0, 2], 2).unwrap().contains("line 1 is missing"));
        assert!(fault(&[0, 1], 5).unwrap().contains("of 5 lines only the first 2"));
        assert!(Run { numbers: vec![0, 1] }.is_only_cut(5));
        assert!(!Run { numbers: vec![1] }.is_only_cut(5));
    }
}
