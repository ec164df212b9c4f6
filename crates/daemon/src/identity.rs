//! Which home this is.
//!
//! A home has a random number of its own, which stands in the environment of all that its daemons start. So its processes
//! are known however the home is spelled and wherever it was moved to. A home that was copied has the number of the first
//! one: the directory's inode tells which of the two it is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rpm_core::{Home, ProcessId};
use serde::{Deserialize, Serialize};

use crate::{
    child_env::{self, HOME_ID},
    files::{Place, place, replace},
};

/// What is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Recorded {
    id: String,
    device: u64,
    inode: u64,
    /// Where the home was when its daemon began last.
    path: PathBuf,
}

/// The number of a home, as its processes bear it.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    id: String,
    /// The entry of their environment: the number, and where the home was when they were started.
    mark: String,
    /// The entry by which versions without such numbers told their processes.
    old_mark: String,
}

/// What a home is to the one that is recorded in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The same, perhaps moved, or restored from a copy in its place; or a new one.
    Own,
    /// A copy of one that is still there.
    CopyOf(PathBuf),
}

impl Identity {
    /// Reads the number of `home`, or gives it one. A copy of another home gets a number of its own.
    pub(crate) fn establish(home: &Home) -> io::Result<(Self, Origin)> {
        let recorded = read(&home.identity());
        let mut now = Recorded::at(home, String::new())?;
        let (id, origin) = match &recorded {
            None => (new_id()?, Origin::Own),
            Some(recorded) if recorded.is_copied_to(now.place()) => {
                (new_id()?, Origin::CopyOf(recorded.path.clone()))
            }
            Some(recorded) => (recorded.id.clone(), Origin::Own),
        };
        now.id = id;
        if recorded.as_ref() != Some(&now) {
            now.write(home)?;
        }
        Ok((Self::of(home, &now.id), origin))
    }

    /// The number that `home` has; `None` if it has none.
    pub(crate) fn read(home: &Home) -> Option<Self> {
        read(&home.identity()).map(|recorded| Self::of(home, &recorded.id))
    }

    /// Writes down that this is the home's number, wherever its directory is now.
    pub(crate) fn write(&self, home: &Home) -> io::Result<()> {
        Recorded::at(home, self.id.clone())?.write(home)
    }

    fn of(home: &Home, id: &str) -> Self {
        let mark = format!("{HOME_ID}={id}{}", tail(home));
        Self { id: id.to_owned(), mark, old_mark: child_env::home_mark(home) }
    }

    /// An identity for tests.
    #[cfg(test)]
    pub(crate) fn test(home: &Home) -> Self {
        Self::of(home, "test")
    }

    /// The entry of the environment that tells that a process is of this home.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// Whether a process with this environment was started by a daemon of this home, or by what it has started.
    pub(crate) fn is_in(&self, environ: &[u8]) -> bool {
        match number(environ) {
            Some(number) => {
                number.strip_prefix(self.id.as_bytes()).is_some_and(|rest| rest.first() == Some(&AT))
            }
            None => entries(environ).any(|entry| entry == self.old_mark.as_bytes()),
        }
    }
}

/// What the whole tree of a process inherits, and no other.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    pub home: Identity,
    pub id: ProcessId,
    /// The number of restarts with which the run began, where runs have to be told from each other.
    pub restarts: Option<u32>,
}

impl Marks {
    /// Whether a process with this environment is of that tree.
    pub(crate) fn are_in(&self, environ: &[u8]) -> bool {
        let number = |restarts| entries(environ).find_map(child_env::restarts_of_mark) == Some(restarts);
        self.home.is_in(environ)
            && entries(environ).find_map(child_env::id_of_mark) == Some(self.id)
            && self.restarts.is_none_or(number)
    }
}

/// Stands between the number of a home and its path.
const AT: u8 = b'@';

/// What follows the number in the mark.
fn tail(home: &Home) -> String {
    format!("{}{}", char::from(AT), home.root().display())
}

/// The value of the mark in an environment.
fn number(environ: &[u8]) -> Option<&[u8]> {
    entries(environ).find_map(|entry| entry.strip_prefix(HOME_ID.as_bytes())?.strip_prefix(b"="))
}

/// Whether a process with this environment was started by a daemon of the home that was at the path of `home`, which may
/// have been another home.
pub(crate) fn was_started_at(home: &Home, environ: &[u8]) -> bool {
    match number(environ) {
        Some(number) => number.ends_with(tail(home).as_bytes()),
        None => entries(environ).any(|entry| entry == child_env::home_mark(home).as_bytes()),
    }
}

/// The `NAME=value` entries of an environment as `/proc` gives it.
fn entries(environ: &[u8]) -> impl Iterator<Item = &[u8]> {
    environ.split(|&byte| byte == 0)
}

impl Recorded {
    /// What is to be kept of `home` where it is now, with this number.
    fn at(home: &Home, id: String) -> io::Result<Self> {
        let path = fs::canonicalize(home.root())?;
        let (device, inode) = place(&fs::metadata(&path)?);
        Ok(Self { id, device, inode, path })
    }

    fn place(&self) -> Place {
        (self.device, self.inode)
    }

    /// Whether the directory at `here` is a copy of the one that is recorded, which is still there.
    fn is_copied_to(&self, here: Place) -> bool {
        let is_first = |directory: fs::Metadata| place(&directory) == self.place();
        here != self.place() && fs::metadata(&self.path).is_ok_and(is_first)
    }

    fn write(&self, home: &Home) -> io::Result<()> {
        replace(&home.identity(), &serde_json::to_vec(self)?)
    }
}

/// `None` where there is none yet, or what is there says nothing.
fn read(path: &Path) -> Option<Recorded> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn new_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use rpm_core::Persona;

    use super::*;

    fn home(path: &Path) -> Home {
        fs::create_dir_all(path.join("state")).unwrap();
        Home::new(path.into(), Persona::Rpm)
    }

    fn establish(path: &Path) -> (String, Origin) {
        let (identity, origin) = Identity::establish(&home(path)).unwrap();
        (identity.id, origin)
    }

    /// Copies what identifies a home.
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to.join("state")).unwrap();
        fs::copy(home(from).identity(), home(to).identity()).unwrap();
    }

    #[test]
    fn a_copy_is_another_home_and_what_was_moved_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| directory.path().join(name));
        let (first, origin) = establish(&a);
        assert_eq!(origin, Origin::Own);
        assert_eq!(establish(&a), (first.clone(), Origin::Own));
        copy(&a, &b);
        let (copied, origin) = establish(&b);
        assert_eq!(origin, Origin::CopyOf(a.canonicalize().unwrap()));
        assert_ne!(copied, first);
        assert_eq!(establish(&b), (copied, Origin::Own), "only once");
        // Moved, and moved to another file system.
        fs::rename(&a, &c).unwrap();
        assert_eq!(establish(&c), (first.clone(), Origin::Own));
        copy(&c, &a);
        fs::remove_dir_all(&c).unwrap();
        assert_eq!(establish(&a), (first.clone(), Origin::Own));
        // A back-up, put into the place of what it was made of.
        copy(&a, &c);
        fs::remove_dir_all(&a).unwrap();
        copy(&c, &a);
        assert_eq!(establish(&a), (first.clone(), Origin::Own));
        // By another spelling.
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&a, &link).unwrap();
        assert_eq!(establish(&link), (first, Origin::Own));
    }

    #[test]
    fn a_number_wins_over_the_path_that_older_versions_left() {
        let directory = tempfile::tempdir().unwrap();
        let (identity, _) = Identity::establish(&home(directory.path())).unwrap();
        let path = format!("RPM_HOME={}\0", directory.path().display());
        assert!(identity.is_in(path.as_bytes()));
        assert!(identity.is_in(format!("A=1\0{}\0RPM_HOME=/elsewhere\0", identity.mark()).as_bytes()));
        assert!(!identity.is_in(format!("{path}{HOME_ID}=another@/a\0").as_bytes()));
        assert!(!identity.is_in(b"RPM_HOME=/elsewhere\0"));
    }

    #[test]
    fn what_is_damaged_gives_a_new_number() {
        let directory = tempfile::tempdir().unwrap();
        let (first, _) = establish(directory.path());
        fs::write(home(directory.path()).identity(), "{").unwrap();
        let (second, origin) = establish(directory.path());
        assert_eq!(origin, Origin::Own);
        assert_ne!(first, second);
    }
}
