//! Files that restart apps when they change.
//!
//! One task for all apps, which is there only while an app watches something. It watches directories, after the
//! ignored ones were sorted out, and learns of new ones from those above them. Changes are gathered until it is
//! quiet; none is lost, whatever the app is doing at the time.

mod kernel;
mod quiet;
mod scope;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::inotify::{AddWatchFlags, InotifyEvent};
use rpm_core::{AppKey, Home, protocol::Reply};
use tokio::sync::mpsc;

pub(crate) use self::scope::Target;
use self::{
    kernel::{Interest, Watches},
    quiet::Quiet,
    scope::Scope,
};
use crate::{clock::Now, logs, table::Replies};

/// Something that an app watches has changed, and it was quiet since.
#[derive(Debug)]
pub(crate) struct Changed {
    pub app: AppKey,
    /// What changed first, as PM2 writes it.
    pub path: String,
}

/// The paths that the daemon and the apps' output change themselves.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// The home, of which all files count, and these directories.
    home: Option<(PathBuf, [PathBuf; 3])>,
    /// Logs and pid files anywhere.
    files: HashSet<PathBuf>,
}

impl Own {
    pub(crate) fn new(home: &Home, files: HashSet<PathBuf>) -> Self {
        let directories = [home.logs_dir(), home.pids_dir(), home.state_dir()];
        Self { home: Some((home.root().to_owned(), directories)), files }
    }

    fn holds(&self, path: &Path) -> bool {
        self.home.as_ref().is_some_and(|(home, directories)| {
            path.parent() == Some(home) || directories.iter().any(|directory| path.starts_with(directory))
        }) || self.files.contains(path)
            || logs::log_of_archive(path).is_some_and(|log| self.files.contains(&log))
    }

    /// Whether it is a directory that was made for a log.
    fn leads_to(&self, directory: &Path) -> bool {
        self.files.iter().any(|file| file.starts_with(directory))
    }
}

/// All that is to be watched from now on.
struct Wanted {
    targets: HashSet<Target>,
    own: Own,
    /// Who is told that it is watched, by being dropped.
    asking: Vec<Replies>,
}

/// The daemon's end of the task.
pub(crate) struct Watcher {
    task: Option<mpsc::UnboundedSender<Wanted>>,
    changes: mpsc::UnboundedSender<Changed>,
    /// What is watched has to be told to the task anew, and who waits for that.
    stale: Option<Vec<Replies>>,
}

impl Watcher {
    /// Watches nothing. Changes will go to `changes`.
    pub(crate) fn new(changes: mpsc::UnboundedSender<Changed>) -> Self {
        Self { task: None, changes, stale: None }
    }

    /// Whether something is watched.
    pub(crate) fn is_active(&self) -> bool {
        self.task.is_some()
    }

    /// An app, or what it watches, has changed. `asking` has its last answer when it is watched.
    pub(crate) fn touch(&mut self, asking: Option<&Replies>) {
        self.stale.get_or_insert_default().extend(asking.cloned());
    }

    /// Who waits for what [`Watcher::set`] is to be told; `None` if it knows everything.
    pub(crate) fn take_stale(&mut self) -> Option<Vec<Replies>> {
        self.stale.take()
    }

    /// Watches exactly `targets`, but for what is `own`. Must be called within a runtime.
    pub(crate) fn set(&mut self, targets: HashSet<Target>, own: Own, asking: Vec<Replies>) {
        if targets.is_empty() {
            self.task = None;
            return;
        }
        let changes = &self.changes;
        let task = self.task.get_or_insert_with(|| {
            let (task, wanted) = mpsc::unbounded_channel();
            tokio::spawn(run(wanted, changes.clone()));
            task
        });
        // It ends only after its sender.
        let _ = task.send(Wanted { targets, own, asking });
    }
}

async fn run(mut wanted: mpsc::UnboundedReceiver<Wanted>, changes: mpsc::UnboundedSender<Changed>) {
    let watches = match Watches::new() {
        Ok(watches) => watches,
        Err(error) => {
            tracing::error!("[Watch] {}", explain(&error));
            while let Some(wanted) = wanted.recv().await {
                tell(&wanted.asking, &error);
            }
            return;
        }
    };
    let mut watch = Watch { watches, interests: Interests::default(), quiet: Quiet::default() };
    loop {
        let next = watch.quiet.next();
        let pause = next.map_or(0, |at| at.saturating_sub(Now::read().mono));
        tokio::select! {
            wanted = wanted.recv() => match wanted {
                Some(wanted) => watch.set(wanted).await,
                None => return,
            },
            events = watch.watches.events() => match events {
                Ok(events) => for event in events {
                    watch.see(&event).await;
                },
                Err(error) => {
                    tracing::error!("[Watch] files are no longer watched: {error}");
                    return;
                }
            },
            () = tokio::time::sleep(Duration::from_millis(pause)), if next.is_some() => {
                for (app, path) in watch.quiet.due(Now::read().mono) {
                    let _ = changes.send(Changed { app, path });
                }
            }
        }
    }
}

/// The task's state.
struct Watch {
    watches: Watches,
    interests: Interests,
    quiet: Quiet,
}

/// What is asked about.
#[derive(Default)]
struct Interests {
    scopes: Vec<Scope>,
    own: Own,
}

impl Interest for Interests {
    fn enters(&self, directory: &Path) -> bool {
        !self.own.holds(directory) && self.scopes.iter().any(|scope| scope.enters(directory))
    }

    fn covers(&self, path: &Path) -> bool {
        !self.own.holds(path) && self.scopes.iter().any(|scope| scope.covers(path))
    }
}

impl Interests {
    /// The directories where watching begins.
    fn bases(&self) -> Vec<PathBuf> {
        self.scopes.iter().flat_map(|scope| &scope.roots).map(|root| root.base.clone()).collect()
    }

    /// Whether watching begins at `path` or below.
    fn leads_to_base(&self, path: &Path) -> bool {
        self.scopes.iter().flat_map(|scope| &scope.roots).any(|root| root.base.starts_with(path))
    }
}

impl Watch {
    async fn set(&mut self, wanted: Wanted) {
        let Wanted { mut targets, own, asking } = wanted;
        self.interests.own = own;
        self.interests.scopes.retain(|scope| {
            let stays = targets.remove(&scope.target);
            if !stays {
                tracing::info!("[Watch] Stop watching {}", rpm_core::name::printable(&scope.target.app.name));
            }
            stays
        });
        let mut new_bases = Vec::new();
        for target in targets {
            match Scope::of(&target) {
                Ok(scope) => {
                    tracing::info!("[Watch] Start watching {}", rpm_core::name::printable(&target.app.name));
                    new_bases.extend(scope.roots.iter().map(|root| root.base.clone()));
                    self.interests.scopes.push(scope);
                }
                Err(error) => tracing::error!("[Watch] {error}"),
            }
        }
        let Self { watches, interests, quiet } = self;
        quiet.keep(|app| interests.scopes.iter().any(|scope| scope.target.app == *app));
        watches
            .keep(|path| interests.enters(path) || interests.covers(path) || interests.leads_to_base(path));
        for base in new_bases {
            self.walk(&base).await;
        }
        if let Some(error) = self.watches.failure.take() {
            tracing::error!("[Watch] {}", explain(&error));
            tell(&asking, &error);
        }
    }

    /// Watches what is below `base`, or the way to it if nothing is there.
    async fn walk(&mut self, base: &Path) {
        self.watches.walk(base, &self.interests).await;
        if !base.is_dir() {
            self.watches.add_nearest(base);
        }
    }

    async fn see(&mut self, event: &InotifyEvent) {
        let is = |flags| event.mask.intersects(flags);
        if is(AddWatchFlags::IN_Q_OVERFLOW) {
            // Anything may have happened.
            self.watches.keep(|_| false);
            for base in self.interests.bases() {
                self.walk(&base).await;
            }
            let now = Now::read().mono;
            for scope in &self.interests.scopes {
                let Target { app, cwd, delay, .. } = &scope.target;
                self.quiet.change(app, || scope.relative(cwd), delay.0, now);
            }
            return;
        }
        if is(AddWatchFlags::IN_IGNORED) {
            for path in self.watches.ended(event.wd) {
                self.lost(&path).await;
            }
            return;
        }
        if is(AddWatchFlags::IN_MOVE_SELF) {
            for path in self.watches.paths_of(event) {
                self.watches.keep(|watched| !watched.starts_with(&path));
                self.lost(&path).await;
            }
            return;
        }
        for path in self.watches.paths_of(event) {
            if is(AddWatchFlags::IN_ISDIR) {
                self.see_directory(event, &path).await;
            } else if is(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO) && path.is_symlink() {
                self.watches.walk(path.parent().unwrap_or(&path), &self.interests).await;
            }
            self.note(event, &path);
        }
    }

    /// A directory came or went.
    async fn see_directory(&mut self, event: &InotifyEvent, path: &Path) {
        if event.mask.intersects(AddWatchFlags::IN_MOVED_FROM) {
            // Its watches go with it, under names that are no longer true.
            self.watches.keep(|watched| !watched.starts_with(path));
        }
        if event.mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO) {
            self.watches.walk(path, &self.interests).await;
            // It may be on the way to one that was waited for.
            self.find_bases(path).await;
        }
    }

    /// Looks again for the directories at `path` and below where watching begins; that they went or came is a change.
    async fn find_bases(&mut self, path: &Path) {
        for base in self.interests.bases().iter().filter(|base| base.starts_with(path)) {
            self.walk(base).await;
            let now = Now::read().mono;
            for scope in self.interests.scopes.iter().filter(|scope| scope.enters(base)) {
                self.quiet.change(&scope.target.app, || scope.relative(base), scope.target.delay.0, now);
            }
        }
    }

    /// What is at `path` is another one by now, or gone.
    async fn lost(&mut self, path: &Path) {
        if self.interests.leads_to_base(path) {
            self.find_bases(path).await;
        } else if path.is_symlink() && path.exists() {
            // A link whose goal was replaced.
            self.watches.walk(path.parent().unwrap_or(path), &self.interests).await;
        }
    }

    /// Notes a change for those whom it concerns.
    fn note(&mut self, event: &InotifyEvent, path: &Path) {
        let Interests { scopes, own } = &self.interests;
        let made_for_a_log = event.mask.contains(AddWatchFlags::IN_ISDIR) && own.leads_to(path);
        if own.holds(path) || made_for_a_log || !kernel::is_change(event, path) {
            return;
        }
        let now = Now::read().mono;
        for scope in scopes.iter().filter(|scope| scope.covers(path)) {
            self.quiet.change(&scope.target.app, || scope.relative(path), scope.target.delay.0, now);
        }
    }
}

/// What the kernel's refusal means, and what helps.
fn explain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(nix::libc::ENOSPC) => {
            "not all files can be watched: raise fs.inotify.max_user_watches, or ignore more with ignore_watch".into()
        }
        Some(nix::libc::EMFILE) => "files cannot be watched: raise fs.inotify.max_user_instances".into(),
        _ => format!("files cannot be watched: {error}"),
    }
}

fn tell(asking: &[Replies], error: &std::io::Error) {
    for replies in asking {
        // One who has gone need not know.
        let _ = replies.try_send(Reply::Note(explain(error)));
    }
}
