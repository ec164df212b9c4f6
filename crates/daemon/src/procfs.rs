//! The kernel's table of processes, read from `/proc`.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read},
};

use rpm_core::Env;

use crate::descriptors::is_shortage;

/// One process of the system, from `/proc/<pid>/stat` (see proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub pid: i32,
    /// `Z` is a zombie: it has ended and waits for its parent.
    pub state: u8,
    pub ppid: i32,
    pub pgrp: i32,
    pub session: i32,
    /// CPU used, in clock ticks, user and system.
    pub ticks: u64,
    /// When it started, in clock ticks since boot: with the pid, its identity.
    pub start: u64,
    /// Resident pages.
    pub rss_pages: u64,
}

impl Stat {
    /// The process `pid` now, if there is one that can be seen.
    pub(crate) fn read(pid: i32) -> Option<Self> {
        Self::find(pid).ok().flatten()
    }

    /// The process `pid` now, or `None` if there is none. The error is that it cannot be said.
    pub(crate) fn find(pid: i32) -> io::Result<Option<Self>> {
        let mut buffer = [0; 1024];
        Self::read_with(pid, &mut buffer)
    }

    fn read_with(pid: i32, buffer: &mut [u8]) -> io::Result<Option<Self>> {
        let read = File::open(format!("/proc/{pid}/stat")).and_then(|mut file| file.read(buffer));
        let Some(length) = unless_gone(read)? else { return Ok(None) };
        Ok(buffer.get(..length).and_then(Self::parse))
    }

    /// Reads the line of `stat`. The second field is the program's name in parentheses and may hold anything,
    /// parentheses and newlines included: the fields begin behind the last one.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let open = line.iter().position(|&b| b == b'(')?;
        let close = line.iter().rposition(|&b| b == b')')?;
        let pid = std::str::from_utf8(line.get(..open)?).ok()?.trim().parse().ok()?;
        let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let ppid = fields.next()?.parse().ok()?;
        let pgrp = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        // tty_nr, tpgid, flags, minflt, cminflt, majflt, cmajflt.
        let user: u64 = fields.nth(7)?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        // cutime, cstime, priority, nice, num_threads, itrealvalue.
        let start = fields.nth(6)?.parse().ok()?;
        // vsize.
        let rss_pages = fields.nth(1)?.parse().ok()?;
        Some(Self { pid, state, ppid, pgrp, session, ticks: user.saturating_add(system), start, rss_pages })
    }

    /// Whether it has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X')
    }
}

/// All processes at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    stats: Vec<Stat>,
    by_pid: HashMap<i32, usize>,
    children: HashMap<i32, Vec<usize>>,
}

impl Snapshot {
    /// Reads `/proc` once. A process that ends meanwhile is left out.
    pub(crate) fn take() -> io::Result<Self> {
        let mut stats = Vec::with_capacity(512);
        let mut buffer = [0; 1024];
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            stats.extend(Stat::read_with(pid, &mut buffer)?);
        }
        Ok(Self::of(stats))
    }

    /// A snapshot of these.
    pub(crate) fn of(stats: Vec<Stat>) -> Self {
        let mut by_pid = HashMap::with_capacity(stats.len());
        let mut children: HashMap<i32, Vec<usize>> = HashMap::new();
        for (index, stat) in stats.iter().enumerate() {
            by_pid.insert(stat.pid, index);
            children.entry(stat.ppid).or_default().push(index);
        }
        Self { stats, by_pid, children }
    }

    /// All of them.
    pub(crate) fn into_stats(self) -> Vec<Stat> {
        self.stats
    }

    /// The children of `pid`.
    pub(crate) fn children(&self, pid: i32) -> impl Iterator<Item = &Stat> {
        self.children.get(&pid).into_iter().flatten().map(|&index| &self.stats[index])
    }

    /// `root` and all that descend from it, parents before children. Empty if there is no such process.
    pub(crate) fn tree(&self, root: i32) -> Vec<&Stat> {
        let mut tree: Vec<&Stat> =
            self.by_pid.get(&root).map(|&index| &self.stats[index]).into_iter().collect();
        let mut next = 0;
        while let Some(stat) = tree.get(next) {
            tree.extend(self.children(stat.pid));
            next += 1;
        }
        tree
    }
}

/// How the descendants of a process are found.
pub(crate) enum Kinship {
    /// By the lists of children that the kernel keeps: costs as much as the tree is large, not as the system is.
    Lists,
    /// By who everybody's parent is, on a kernel without such lists (`CONFIG_PROC_CHILDREN`).
    Parents(Snapshot),
}

impl Kinship {
    /// The better way that this kernel has.
    pub(crate) fn look() -> io::Result<Self> {
        match listed_children(std::process::id() as i32)? {
            Some(_) => Ok(Self::Lists),
            None => Snapshot::take().map(Self::Parents),
        }
    }

    /// The children of `pid`.
    pub(crate) fn children(&self, pid: i32) -> io::Result<Vec<i32>> {
        Ok(match self {
            Self::Lists => listed_children(pid)?.unwrap_or_default(),
            Self::Parents(snapshot) => snapshot.children(pid).map(|child| child.pid).collect(),
        })
    }

    /// All that descend from `root`, parents before children.
    pub(crate) fn descendants(&self, root: i32) -> io::Result<Vec<i32>> {
        let mut found = self.children(root)?;
        let mut next = 0;
        while let Some(&pid) = found.get(next) {
            // Lists are read one by one: a process that was handed on meanwhile may stand in two.
            for child in self.children(pid)? {
                if !found.contains(&child) {
                    found.push(child);
                }
            }
            next += 1;
        }
        Ok(found)
    }
}

/// The children of all threads of `pid`; `None` if there is no such list.
fn listed_children(pid: i32) -> io::Result<Option<Vec<i32>>> {
    let mut children = Vec::new();
    let mut lists = 0;
    let Some(threads) = unless_gone(fs::read_dir(format!("/proc/{pid}/task")))? else { return Ok(None) };
    for thread in threads.flatten() {
        let list = fs::read_to_string(thread.path().join("children"));
        let Some(list) = unless_gone(list)? else { continue };
        children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        lists += 1;
    }
    Ok((lists > 0).then_some(children))
}

/// The environment that `pid` was started with, as `NAME=value` entries with a NUL behind each; `None` if this user may not
/// look into it, or it has gone. The error is that this cannot be said.
pub(crate) fn environ(pid: i32) -> io::Result<Option<Vec<u8>>> {
    unless_gone(fs::read(format!("/proc/{pid}/environ")))
}

/// What was read of a process; `None` if it has gone, before it was read or meanwhile.
fn unless_gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if is_shortage(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The real user of `pid`, which no program of another user can make its own; unlike the owner of its directory in
/// `/proc`, and the effective user, which a set-user-ID program changes.
pub(crate) fn real_user(pid: i32) -> io::Result<Option<u32>> {
    let status = unless_gone(fs::read(format!("/proc/{pid}/status")))?;
    Ok(status.as_deref().and_then(user_in_status))
}

/// The first number of the line `Uid:`. The name of the program stands before it, with its newlines escaped.
fn user_in_status(status: &[u8]) -> Option<u32> {
    let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    std::str::from_utf8(line).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

/// The variables of an environment as [`environ`] gives it; what is not Unicode is left out.
pub(crate) fn variables(environ: &[u8]) -> Env {
    let variable = |entry: &[u8]| {
        let (name, value) = std::str::from_utf8(entry).ok()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    environ.split(|&byte| byte == 0).filter_map(variable).collect()
}

/// A variable of the environment that `pid` was started with.
pub(crate) fn variable(pid: i32, name: &str) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |entry: &[u8]| Some(entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec());
    String::from_utf8(environ.split(|&byte| byte == 0).find_map(value)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "4242 (a) (b\n)c) S 1 4242 4242 0 -1 4194304 115 0 0 0 7 5 0 0 20 0 1 0 123456 \
                        5763072 399 18446744073709551615 1 1 0 0 0 0 0 0 65536 0 0 0 17 1 0 0 0 0 0";

    #[test]
    fn a_name_may_hold_anything() {
        let stat = Stat::parse(LINE.as_bytes()).unwrap();
        assert_eq!((stat.pid, stat.state, stat.ppid, stat.pgrp, stat.session), (4242, b'S', 1, 4242, 4242));
        assert_eq!((stat.ticks, stat.start, stat.rss_pages), (12, 123_456, 399));
    }

    #[test]
    fn the_tests_own_process_is_there() {
        let me = std::process::id() as i32;
        let snapshot = Snapshot::take().unwrap();
        assert_eq!(snapshot.tree(me)[0].pid, me);
        assert_eq!(Stat::read(me).unwrap().start, snapshot.tree(me)[0].start);
        assert!(Stat::read(i32::MAX).is_none());
    }

    #[test]
    fn both_ways_find_the_same_children() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let (me, pid) = (std::process::id() as i32, child.id() as i32);
        for kinship in [Kinship::look().unwrap(), Kinship::Parents(Snapshot::take().unwrap())] {
            assert!(kinship.children(me).unwrap().contains(&pid));
            assert!(kinship.descendants(me).unwrap().contains(&pid));
            assert!(kinship.descendants(pid).unwrap().is_empty());
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_tree_holds_all_generations() {
        let stat = |pid, ppid| Stat { pid, ppid, ..Stat::parse(LINE.as_bytes()).unwrap() };
        let snapshot =
            Snapshot::of(vec![stat(1, 0), stat(5, 1), stat(7, 5), stat(9, 7), stat(8, 5), stat(6, 1)]);
        let pids: Vec<_> = snapshot.tree(5).iter().map(|stat| stat.pid).collect();
        assert_eq!(pids, [5, 7, 8, 9]);
        assert!(snapshot.tree(77).is_empty());
    }

    #[test]
    fn the_real_user_is_read() {
        assert_eq!(user_in_status(b"Name:\tUid: 7\nState:\tS\nUid:\t65534\t0\t0\t0\n"), Some(65_534));
        let me = std::process::id() as i32;
        assert_eq!(real_user(me).unwrap(), Some(nix::unistd::getuid().as_raw()));
        assert_eq!(real_user(i32::MAX).unwrap(), None);
    }

    proptest! {
        #[test]
        fn garbage_is_no_process(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Stat::parse(&line);
        }

        #[test]
        fn a_cut_line_is_no_panic(length in 0..LINE.len()) {
            let _ = Stat::parse(&LINE.as_bytes()[..length]);
        }
    }
}
