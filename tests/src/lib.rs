//! The end-to-end harness.
//!
//! A test makes an [`Rpm`]: a home and a working directory of its own, and verbs that run the real executable
//! there. When it goes out of scope the daemon is ended, and every process that descends from the test's commands
//! is proved to be gone; one that is not fails the test. The apps of `tests/fixtures/` lie in its working directory.
//! Nothing waits by sleeping: see [`wait_until`].

#![expect(clippy::missing_panics_doc, reason = "a harness panics to fail the test")]

pub mod comparison;
pub mod death;
mod executable;
mod mark;
mod puppet;
mod raw;
mod rpm;
mod running;
mod signals;
mod terminal;
mod wait;
mod web;
mod words;

use std::path::{Path, PathBuf};

pub use executable::executable;
pub use mark::{Mark, VARIABLE as MARK, command_line};
pub use puppet::Puppet;
pub use raw::Raw;
pub use rpm::{Entry, Rpm};
pub use running::{Output, Running};
pub use signals::signal;
pub use terminal::Terminal;
pub use wait::{LIMIT, wait_for, wait_until, within};
pub use web::{Client, Load, get};
pub use words::Words;

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository is there")
}
