//! Signals to processes that a test has started.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Signals `pid`, which must be there.
pub fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap_or_else(|errno| panic!("{signal} to pid {pid}: {errno}"));
}
