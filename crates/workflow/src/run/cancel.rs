//! Cancelling from outside.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Cancels what holds a copy of it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Cancels.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
