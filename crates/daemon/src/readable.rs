//! Waiting in the event loop until a descriptor is readable.
#![expect(
    unsafe_code,
    reason = "tokio cannot see that a descriptor stays open; this module makes sure of it"
)]

use std::{io, os::fd::OwnedFd, sync::Arc};

use tokio::io::{Interest, unix::AsyncFd};

/// Registers `fd` with the runtime, which must be the current one.
pub(crate) fn watch(fd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the descriptor must stay open, and stay the same, until the `AsyncFd` is dropped. An `OwnedFd` closes
    // only when it is dropped, which the `Arc` inside the `AsyncFd` prevents, and it cannot be replaced within an
    // `Arc` that is only shared.
    let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    watched.map_err(|error| error.into_parts().1)
}
