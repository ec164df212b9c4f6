//! Being told of changes of files by the kernel, within the event loop.
//!
//! Not through the crate `notify`: it also asks for every opening of a file, so that a watched web server would wake
//! the daemon with each file that it serves, and it needs a thread.

use std::{io, os::fd::AsFd, path::Path, sync::Arc};

use nix::{
    errno::Errno,
    sys::inotify::{self, AddWatchFlags, InitFlags, InotifyEvent, WatchDescriptor},
};
use tokio::io::unix::AsyncFd;

use crate::readable;

/// One instance; everything that it watches ends with it.
pub(crate) struct Inotify {
    inotify: inotify::Inotify,
    /// Another descriptor of the same instance.
    ready: AsyncFd<Arc<std::os::fd::OwnedFd>>,
}

impl Inotify {
    /// Must be called within a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = inotify::Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let ready = readable::watch(Arc::new(inotify.as_fd().try_clone_to_owned()?))?;
        Ok(Self { inotify, ready })
    }

    /// Watches what is at `path`. The same file or directory has the same descriptor however it is reached.
    pub(crate) fn add(&self, path: &Path, mask: AddWatchFlags) -> io::Result<WatchDescriptor> {
        Ok(self.inotify.add_watch(path, mask)?)
    }

    /// Watches it no longer. The kernel may have ended the watch itself by now, which is as good.
    pub(crate) fn remove(&self, descriptor: WatchDescriptor) {
        let _ = self.inotify.rm_watch(descriptor);
    }

    /// What has happened since the last call; waits until there is something.
    pub(crate) async fn events(&self) -> io::Result<Vec<InotifyEvent>> {
        loop {
            let mut ready = self.ready.readable().await?;
            match self.inotify.read_events() {
                Ok(events) => return Ok(events),
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
