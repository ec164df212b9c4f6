//! Cancelling from outside.

use std::{
    io::{PipeReader, PipeWriter},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Cancels what holds a copy of it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_cancelled: AtomicBool,
    /// What becomes readable: its writing end is closed.
    told: OnceLock<Option<(PipeReader, Mutex<Option<PipeWriter>>)>>,
}

impl Cancel {
    /// Cancels, now and for ever.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        self.close();
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::SeqCst)
    }

    /// A descriptor that is readable once it was cancelled; none where the process has no descriptor left.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        let told = self.0.told.get_or_init(|| {
            let (reader, writer) = std::io::pipe().ok()?;
            Some((reader, Mutex::new(Some(writer))))
        });
        if self.is_cancelled() {
            self.close();
        }
        told.as_ref().map(|(reader, _)| reader.as_fd())
    }

    fn close(&self) {
        if let Some(Some((_, writer))) = self.0.told.get() {
            drop(writer.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}
