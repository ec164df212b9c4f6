//! What programs share that run others for minutes: they end what they have started, also when a signal says so.

pub mod failure;
pub mod interrupt;
