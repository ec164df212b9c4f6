//! The directories that the kernel watches.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::sys::inotify::{AddWatchFlags, InotifyEvent, WatchDescriptor};

use crate::inotify::Inotify;

/// What can be a change. Not `IN_CLOSE_WRITE`: what was only opened for writing did not change.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// How long a walk goes on before others in the event loop get their turn.
const SLICE: Duration = Duration::from_millis(1);

/// Maximum number of directories and files that are watched for all apps. The kernel counts them for each user: taking
/// all would leave none for other programs.
const MAX_WATCHES: usize = 32_768;

/// A file touched by `touch` or `utimes` has its new time of change from now; one that got another mode has not.
const TOUCH: i64 = 1;

/// Which paths are asked about by a walk.
pub(super) trait Interest {
    /// Whether changes of what is in `directory` have to be known.
    fn enters(&self, directory: &Path) -> bool;
    /// Whether changes of `path` have to be known.
    fn covers(&self, path: &Path) -> bool;
}

/// What is watched. A directory that is reached on several ways (links) has one watch and several paths.
pub(super) struct Watches {
    inotify: Inotify,
    paths: HashMap<WatchDescriptor, Vec<PathBuf>>,
    /// Why the last walk could not watch everything.
    pub(super) failure: Option<io::Error>,
    limit: usize,
}

impl Watches {
    pub(super) fn new() -> io::Result<Self> {
        Self::with_limit(MAX_WATCHES)
    }

    fn with_limit(limit: usize) -> io::Result<Self> {
        Ok(Self { inotify: Inotify::new()?, paths: HashMap::new(), failure: None, limit })
    }

    pub(super) async fn events(&self) -> io::Result<Vec<InotifyEvent>> {
        self.inotify.events().await
    }

    /// The paths that an event speaks of.
    pub(super) fn paths_of(&self, event: &InotifyEvent) -> Vec<PathBuf> {
        let of = |path: &PathBuf| match &event.name {
            Some(name) => path.join(name),
            None => path.clone(),
        };
        self.paths.get(&event.wd).into_iter().flatten().map(of).collect()
    }

    /// The kernel has ended a watch. What it was.
    pub(super) fn ended(&mut self, descriptor: WatchDescriptor) -> Vec<PathBuf> {
        self.paths.remove(&descriptor).unwrap_or_default()
    }

    /// Watches one directory or file. False if it cannot be, or leads round in a circle.
    fn add(&mut self, path: &Path) -> bool {
        if self.is_full() {
            let reason = format!("more than {} directories: ignore more with ignore_watch", self.limit);
            self.failure = Some(io::Error::other(reason));
            return false;
        }
        match self.inotify.add(path, CHANGES) {
            Ok(descriptor) => {
                let paths = self.paths.entry(descriptor).or_default();
                if paths.iter().any(|known| known == path) {
                    return true;
                }
                // A link to a directory above it.
                let is_circle = paths.iter().any(|known| path.starts_with(known));
                if !is_circle {
                    paths.push(path.to_owned());
                }
                !is_circle
            }
            // Gone again, or not ours to read: chokidar passes over those, too.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) =>
            {
                false
            }
            Err(error) => {
                self.failure = Some(error);
                false
            }
        }
    }

    /// Watches `directory` or, where it is not there, the nearest one above it that is: it tells when it comes.
    pub(super) fn add_nearest(&mut self, directory: &Path) {
        if let Some(there) = directory.ancestors().find(|ancestor| ancestor.is_dir()) {
            self.add(there);
        }
    }

    /// Watches `top` and all below it that `interest` asks about. Others get their turn meanwhile.
    pub(super) async fn walk(&mut self, top: &Path, interest: &impl Interest) {
        let mut began = Instant::now();
        let mut waiting = vec![top.to_owned()];
        while let Some(directory) = waiting.pop() {
            if self.is_full() && self.failure.is_some() {
                return;
            }
            if !interest.enters(&directory) || !self.add(&directory) {
                continue;
            }
            // Watched first, read then: what comes in between is told or found.
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let Ok(kind) = entry.file_type() else { continue };
                let path = entry.path();
                if kind.is_dir() || kind.is_symlink() && path.is_dir() {
                    waiting.push(path);
                } else if kind.is_symlink() && interest.covers(&path) {
                    // The directory does not tell of what its links lead to.
                    self.add(&path);
                }
            }
            if began.elapsed() > SLICE {
                tokio::task::yield_now().await;
                began = Instant::now();
            }
        }
    }

    fn is_full(&self) -> bool {
        self.paths.len() >= self.limit
    }

    /// Watches no longer what fails `wanted`.
    pub(super) fn keep(&mut self, wanted: impl Fn(&Path) -> bool) {
        let inotify = &self.inotify;
        self.paths.retain(|descriptor, paths| {
            paths.retain(|path| wanted(path));
            if paths.is_empty() {
                inotify.remove(*descriptor);
            }
            !paths.is_empty()
        });
    }
}

/// Whether an event of `path` is a change of it. New attributes are one only if the file was touched.
pub(super) fn is_change(event: &InotifyEvent, path: &Path) -> bool {
    let attributes_only = event.mask.contains(AddWatchFlags::IN_ATTRIB);
    !attributes_only
        || fs::metadata(path).is_ok_and(|meta| !meta.is_dir() && (meta.ctime() - meta.mtime()).abs() <= TOUCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Everything;

    impl Interest for Everything {
        fn enters(&self, _: &Path) -> bool {
            true
        }

        fn covers(&self, _: &Path) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn a_tree_without_end_is_watched_up_to_a_limit_and_that_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..20 {
            fs::create_dir(directory.path().join(number.to_string())).unwrap();
        }
        let mut watches = Watches::with_limit(10).unwrap();
        watches.walk(directory.path(), &Everything).await;
        assert_eq!(watches.paths.len(), 10);
        assert!(watches.failure.take().unwrap().to_string().contains("ignore_watch"));
        let mut watches = Watches::with_limit(21).unwrap();
        watches.walk(directory.path(), &Everything).await;
        assert!(watches.failure.is_none() && watches.paths.len() == 21);
    }
}
