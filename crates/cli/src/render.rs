//! Answers as text. Every function here is pure: what is shown depends on nothing but its arguments.

pub(crate) mod describe;
pub(crate) mod document;
pub(crate) mod env;
pub(crate) mod grid;
pub(crate) mod inspect;
pub(crate) mod jlist;
pub(crate) mod mini;
pub(crate) mod pretty;
pub(crate) mod runs;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod schedule;
pub(crate) mod sort;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod why;
