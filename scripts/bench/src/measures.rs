//! What is measured, one file each.

pub(crate) mod boot;
pub(crate) mod crash;
pub(crate) mod idle;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod restart;
pub(crate) mod start;
pub(crate) mod stop;
