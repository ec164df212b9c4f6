//! Control groups of version 2, by which the kernel holds an app to its limits: see cgroups(7).
//!
//! Groups can be made where some are delegated to this daemon: by systemd, whose unit puts the daemon into a group of its
//! own below that of the unit (`Delegate=`, `DelegateSubgroup=`; <https://systemd.io/CGROUP_DELEGATION/>), or by whoever
//! names a directory in [`VARIABLE`]. No group is made in what belongs to others. Processes may not stand beside groups
//! with limits: where systemd is older than 254 and knows no `DelegateSubgroup=`, the daemon makes that group and moves
//! there ([`settle`]).

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use rpm_core::{Limits, ProcessId};

/// Names the directory of a control group that is the daemon's to divide.
pub(crate) const VARIABLE: &str = "RPM_CGROUP";

/// What systemd sets on a group that it has delegated: to a user's service manager, and to the system's.
const DELEGATED: [&str; 2] = ["user.delegate", "trusted.delegate"];

/// The interval over which `cpu.max` counts, microseconds: the kernel's default.
const PERIOD: u64 = 100_000;

/// The group to which the daemon moves below that of its unit. The one that systemd makes has another name.
const OWN: &str = "main";

/// The argument of the daemon's verb with which its unit calls [`make_way`].
pub const MAKE_WAY: &str = "make-way";

/// The group below which all are made.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    root: PathBuf,
}

/// Why the kernel does not hold apps to their limits.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unheld {
    #[error("no control group is delegated to this daemon: let systemd start it, or name one in {VARIABLE}")]
    NotDelegated,
    #[error("the control group {0} has no controller {1}")]
    NoController(PathBuf, &'static str),
    #[error("the control group {0}: {1}")]
    System(PathBuf, io::Error),
}

/// The group of one run.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    path: PathBuf,
    /// How often the kernel had killed in it when the run began.
    kills: u64,
}

impl Groups {
    /// Those that were given to this daemon, as long as they have what `limits` need.
    pub(crate) fn find(limits: &Limits) -> Result<Self, Unheld> {
        let root = match env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            Some(named) => PathBuf::from(named),
            None => delegated().ok_or(Unheld::NotDelegated)?,
        };
        Self::below(root, limits)
    }

    fn below(root: PathBuf, limits: &Limits) -> Result<Self, Unheld> {
        let failed = |error| Unheld::System(root.clone(), error);
        let needed = [("memory", limits.memory.is_some()), ("cpu", limits.cpu.is_some())];
        let needed = needed.into_iter().filter_map(|(name, is_needed)| is_needed.then_some(name));
        let there = fs::read_to_string(root.join("cgroup.controllers")).map_err(failed)?;
        for name in needed {
            if !there.split_ascii_whitespace().any(|controller| controller == name) {
                return Err(Unheld::NoController(root, name));
            }
            fs::write(root.join("cgroup.subtree_control"), format!("+{name}")).map_err(failed)?;
        }
        Ok(Self { root })
    }

    /// The group for run number `run` of a process. Two that overlap have groups of their own, and those of later runs
    /// are used again.
    pub(crate) fn make(&self, id: ProcessId, run: u64, limits: &Limits) -> Result<Group, Unheld> {
        let path = self.root.join(format!("app-{id}.{}", run % 2));
        match create(&path) {
            Err(error) => Err(Unheld::System(path, error)),
            Ok(()) => Group::hold(path, limits),
        }
    }
}

impl Group {
    /// The group of a run that an earlier daemon began. It gets its limits again: they may have been taken from it when
    /// that one died.
    pub(crate) fn of(pid: i32, limits: &Limits) -> Result<Self, Unheld> {
        let find = || {
            let path = own(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)?;
            let is_ours = path.file_name()?.to_str()?.starts_with("app-");
            let root = path.parent()?.to_owned();
            is_ours.then_some((root, path))
        };
        let (root, path) = find().ok_or(Unheld::NotDelegated)?;
        Groups::below(root, limits)?;
        Self::hold(path, limits)
    }

    /// The group at `path`, with these limits.
    fn hold(path: PathBuf, limits: &Limits) -> Result<Self, Unheld> {
        let limit = || -> io::Result<()> {
            if let Some(memory) = limits.memory {
                fs::write(path.join("memory.max"), memory.0.to_string())?;
                // The tree is one thing: half of one is of no use.
                fs::write(path.join("memory.oom.group"), "1")?;
            }
            if let Some(percent) = limits.cpu {
                let quota = u64::from(percent) * PERIOD / 100;
                fs::write(path.join("cpu.max"), format!("{quota} {PERIOD}"))?;
            }
            Ok(())
        };
        limit().map_err(|error| Unheld::System(path.clone(), error))?;
        Ok(Self { kills: kills(&path), path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Kills all that is in it, those who are being forked included.
    pub(crate) fn kill(&self) {
        if let Err(error) = fs::write(self.path.join("cgroup.kill"), "1") {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }

    /// Whether the kernel has killed in it because its memory was used up.
    pub(crate) fn was_out_of_memory(&self) -> bool {
        kills(&self.path) > self.kills
    }

    /// Removes it, unless something still runs in it: then it is left for a later run.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_dir(&self.path) {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }
}

/// `oom_kill` of `memory.events`; 0 where memory is not limited.
fn kills(group: &Path) -> u64 {
    let events = fs::read_to_string(group.join("memory.events")).unwrap_or_default();
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or_default()
}

/// The main process of a service makes room in the group of its unit, if that was delegated to it and systemd has not
/// done so itself.
pub(crate) fn settle() -> Result<(), Unheld> {
    match mine() {
        Some(own) if is_delegated(&own) => move_below(&own),
        _ => Ok(()),
    }
}

/// What the unit does when its daemon has ended: where the daemon had moved by itself, systemd can put another into the
/// group of the unit only when no limits hold below it. The next daemon sets them again (`Group::of`).
pub fn make_way() -> io::Result<()> {
    let control = mine().filter(|control| control.ends_with(".control"));
    let unit = control.as_deref().and_then(Path::parent).filter(|unit| is_delegated(unit));
    match unit {
        Some(unit) => unlimit(unit),
        None => Ok(()),
    }
}

fn unlimit(unit: &Path) -> io::Result<()> {
    if !unit.join(OWN).is_dir() {
        return Ok(());
    }
    let control = unit.join("cgroup.subtree_control");
    for name in fs::read_to_string(&control)?.split_ascii_whitespace() {
        fs::write(&control, format!("-{name}"))?;
    }
    Ok(())
}

/// Makes the group at `path`, unless it is there.
fn create(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Moves this process to a group of its own below `unit`.
fn move_below(unit: &Path) -> Result<(), Unheld> {
    let own = unit.join(OWN);
    let enter = || create(&own).and_then(|()| fs::write(own.join("cgroup.procs"), "0"));
    enter().map_err(|error| Unheld::System(own.clone(), error))
}

/// The group above the daemon's own, if it was delegated.
fn delegated() -> Option<PathBuf> {
    mine()?.parent().filter(|above| is_delegated(above)).map(Path::to_owned)
}

/// The daemon's own group.
fn mine() -> Option<PathBuf> {
    own(&fs::read_to_string("/proc/self/cgroup").ok()?)
}

fn is_delegated(group: &Path) -> bool {
    let says = |attribute| {
        let mut value = [0; 1];
        matches!(rustix::fs::getxattr(group, attribute, &mut value), Ok(1)) && value == *b"1"
    };
    DELEGATED.into_iter().any(says)
}

/// The directory of the group that `/proc/<pid>/cgroup` names.
fn own(cgroup: &str) -> Option<PathBuf> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    Some(mounted(&mounts)?.join(path))
}

/// Where version 2 is mounted: see `proc_pid_mountinfo(5)`.
fn mounted(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        system.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

#[cfg(test)]
mod tests {
    use rpm_core::{Bytes, limits::EachProcess};

    use super::*;

    const LIMITS: Limits = Limits {
        memory: Some(Bytes(64 << 20)),
        cpu: Some(150),
        each: EachProcess { open_files: None, core: None, nice: None },
    };

    /// A directory that looks like a group: the kernel's files are made when they are written to.
    fn lookalike(controllers: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("cgroup.controllers"), controllers).unwrap();
        directory
    }

    #[test]
    fn a_group_has_the_limits_of_its_app() {
        let root = lookalike("cpuset cpu io memory pids\n");
        let groups = Groups::below(root.path().to_owned(), &LIMITS).unwrap();
        let group = groups.make(3.into(), 7, &LIMITS).unwrap();
        let text = |name: &str| fs::read_to_string(group.path().join(name)).unwrap();
        assert_eq!((text("memory.max"), text("memory.oom.group")), ("67108864".to_owned(), "1".to_owned()));
        assert_eq!(text("cpu.max"), "150000 100000");
        assert!(group.path().ends_with("app-3.1"));
        assert!(!group.was_out_of_memory());
        fs::write(group.path().join("memory.events"), "low 0\noom 1\noom_kill 2\n").unwrap();
        assert!(group.was_out_of_memory());
        let again = groups.make(3.into(), 9, &LIMITS).unwrap();
        assert!(!again.was_out_of_memory(), "what was killed before is none of this run's");
        assert_ne!(groups.make(3.into(), 8, &LIMITS).unwrap().path(), group.path());
    }

    #[test]
    fn what_cannot_be_held_says_why() {
        let root = lookalike("cpu pids\n");
        let why = Groups::below(root.path().to_owned(), &LIMITS).unwrap_err();
        assert!(why.to_string().contains("no controller memory"), "{why}");
        let each = EachProcess { open_files: Some(1), ..EachProcess::default() };
        let only_files = Limits { each, ..Limits::default() };
        assert!(Groups::below(root.path().to_owned(), &only_files).is_ok());
        let why = Groups::below("/no/such".into(), &LIMITS).unwrap_err();
        assert!(why.to_string().contains("/no/such"), "{why}");
    }

    #[test]
    fn a_service_has_a_group_of_its_own_below_its_units() {
        let unit = lookalike("memory\n");
        for _ in 0..2 {
            move_below(unit.path()).unwrap();
        }
        assert_eq!(fs::read_to_string(unit.path().join("main/cgroup.procs")).unwrap(), "0");
        fs::write(unit.path().join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        unlimit(unit.path()).unwrap();
        assert_eq!(fs::read_to_string(unit.path().join("cgroup.subtree_control")).unwrap(), "-memory");
        assert!(make_way().is_ok(), "no unit has called");
        assert!(!is_delegated(unit.path()));
        assert!(Group::of(std::process::id() as i32, &LIMITS).is_err(), "no group of an app");
    }

    #[test]
    fn the_mount_is_found_among_others() {
        let mounts = "30 24 0:26 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(mounted(mounts), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mounted("garbage\n - \n"), None);
    }
}
