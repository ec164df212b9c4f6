//! Logs: the last lines of files, and what is written to them from now on.
//!
//! The files are read here, not by the daemon: it tells which files there are, and when that changes.

pub(crate) mod follow;
pub(crate) mod print;
pub(crate) mod session;
pub(crate) mod source;
pub(crate) mod stream;
pub(crate) mod tail;
pub(crate) mod watch;
