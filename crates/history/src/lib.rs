//! The history of runs: what ended when, how, why it had been started and what followed; and what it said last.
//!
//! Both are files of lines in the home's state directory ([`store`]), written by the daemon and read by whoever asks,
//! whether there is a daemon or not. A line stands for itself: one that is damaged costs nothing but itself.

pub mod record;
pub mod store;
pub mod words;

use std::path::PathBuf;

use rpm_core::Home;

pub use record::{Key, Memory, Run};
pub use store::{Bound, Store, StoreError};
pub use words::Words;

/// How many runs are remembered unless a setting says otherwise.
pub const DEFAULT_RUNS: u64 = 100_000;

/// Bytes of last words that are remembered.
const WORDS: u64 = 2 << 20;

/// Bytes that a run may take on average before fewer are remembered: names have no limit of their own.
const BYTES_OF_A_RUN: u64 = 160;

/// Where the runs of a home stand.
pub fn runs_directory(home: &Home) -> PathBuf {
    home.state_dir().join("runs")
}

/// Where their last words stand.
pub fn words_directory(home: &Home) -> PathBuf {
    home.state_dir().join("words")
}

/// The store of a home's runs, which keeps the last `runs` of them. Touches nothing before the first is written.
pub fn runs(home: &Home, runs: u64) -> Store {
    Store::new(runs_directory(home), Bound { lines: runs, bytes: runs.saturating_mul(BYTES_OF_A_RUN) })
}

/// The store of last words.
pub fn words(home: &Home) -> Store {
    Store::new(words_directory(home), Bound { lines: u64::MAX, bytes: WORDS })
}
