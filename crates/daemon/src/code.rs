//! The memory of the executable's own code.
#![expect(
    unsafe_code,
    reason = "to name the code as a whole takes the symbols of the linker, and to release it a call that would be wrong for any other memory"
)]

use std::ffi::c_void;

use rustix::mm::{Advice, madvise};

unsafe extern "C" {
    /// The first byte of the executable, at the beginning of a page.
    static __executable_start: u8;
    /// The end of its code.
    static etext: u8;
}

/// Gives back what of the code is in memory; what is needed again comes from the page cache by itself.
///
/// To start takes code that is never run again, a megabyte of it, which would count as the daemon's memory for ever.
pub(crate) fn release() {
    let start = &raw const __executable_start;
    let length = (&raw const etext).addr().saturating_sub(start.addr());
    // SAFETY: nobody writes to these pages, which map the executable's file: neither relocations, which are all in the
    // segments behind the code, nor this program. So their content does not change by being read from the file again.
    let released = unsafe { madvise(start.cast_mut().cast::<c_void>(), length, Advice::LinuxDontNeed) };
    if let Err(error) = released {
        tracing::debug!("cannot release code: {error}");
    }
}
