//! Descriptors that the image of the daemon before this one left open for it.
#![expect(
    unsafe_code,
    reason = "a number from another program becomes a descriptor; this module makes sure that it is one, and ours"
)]

use std::{
    io,
    os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Takes over the descriptor `number`; children do not get it.
///
/// Each number must be taken once only, before anything else opens descriptors.
pub(crate) fn take(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the image before this one wrote the number down and left the descriptor open for us; nothing else in this
    // process knows of it, so it is ours alone to close. That it is open is checked below; if it is not, the number
    // is given up again without closing anything.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    match fcntl_getfd(&fd).and_then(|_| fcntl_setfd(&fd, FdFlags::CLOEXEC)) {
        Ok(()) => Ok(fd),
        Err(errno) => {
            let _ = fd.into_raw_fd();
            Err(errno.into())
        }
    }
}

/// Whether the next image gets the descriptor.
pub(crate) fn pass_on(fd: impl AsFd, passed: bool) -> io::Result<()> {
    Ok(fcntl_setfd(fd, if passed { FdFlags::empty() } else { FdFlags::CLOEXEC })?)
}
