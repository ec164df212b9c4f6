//! What must survive the daemon: who was declared, and where each life is.
//!
//! One file of records, a line of JSON each, appended before the daemon acts on them. A record that was handed to the
//! kernel survives a daemon that is killed; nothing waits for the disk. When the file has grown it is written anew,
//! beside the old one, and takes its place. A daemon that ends in good order takes the file away: who finds it knows
//! that a daemon died.

mod past;
mod record;

use std::{
    collections::{HashMap, HashSet},
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::{fd::AsFd, unix::fs::DirBuilderExt},
    path::PathBuf,
    sync::Arc,
};

use nix::{
    errno::Errno,
    unistd::{AccessFlags, access},
};
use rpm_core::{AppSpec, Env, Home, ProcessId};
use rustix::fs::{FallocateFlags, fallocate};

use self::record::{Declared, FORMAT, Header, Record};
pub(crate) use self::{
    past::{Kept, Past},
    record::GivenAway,
};
use crate::{clock::Now, files, machine::Life, orders::Order, table::Process};

/// Bytes that the file may grow by before it is written anew.
const GROWTH: u64 = 1 << 20;

/// Milliseconds between two attempts to write to a disk that is full.
const RETRY: u64 = 1_000;

/// Why a daemon cannot go on from what another has left.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error(
        "{path} has format {found}, this version reads up to {FORMAT}: use the newer rpm that wrote it, or move the \
         file away"
    )]
    Newer { path: PathBuf, found: u32 },
}

/// A process that is in no record yet must not be started: if the daemon died, it would run on without an owner.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub(crate) struct NotDeclared {
    path: PathBuf,
    reason: String,
}

/// The file, and what stands in it.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    boot: String,
    /// Numbers of the environments that are written: many processes share one.
    environments: HashMap<Arc<Env>, u32>,
    /// The number of the next one.
    next_environment: u32,
    written: HashMap<ProcessId, Written>,
    /// Processes of which the file has a declaration, if perhaps an older one.
    declared: HashSet<ProcessId>,
    /// Bytes of whole records.
    length: u64,
    /// The length at which it is written anew.
    limit: u64,
    /// The file lacks something.
    shortfall: Option<Shortfall>,
}

/// Why the file does not have all that it should.
#[derive(Debug)]
struct Shortfall {
    /// When to write the whole file again, on the monotonic clock.
    retry: u64,
    reason: String,
}

/// The state of one process that the file has.
#[derive(Debug)]
struct Written {
    spec: Arc<AppSpec>,
    env: Arc<Env>,
    former: Option<Arc<AppSpec>>,
    instance: u32,
    life: Life,
    birth: Option<u64>,
    ordered: Option<Order>,
}

impl Written {
    fn of(process: &Process) -> Self {
        Self {
            spec: Arc::clone(&process.spec),
            env: Arc::clone(&process.base_env),
            former: process.former.as_ref().map(|former| Arc::clone(&former.spec)),
            instance: process.instance,
            life: process.life.clone(),
            birth: process.birth(),
            ordered: process.ordered,
        }
    }

    /// Whether nothing of `process` but its declaration is new.
    fn has_life_of(&self, process: &Process) -> bool {
        self.life == process.life && self.birth == process.birth() && self.ordered == process.ordered
    }

    /// Whether the declaration of `process` is the one that was written.
    fn declares(&self, process: &Process) -> bool {
        let former = process.former.as_ref().map(|former| &former.spec);
        Arc::ptr_eq(&self.spec, &process.spec)
            && Arc::ptr_eq(&self.env, &process.base_env)
            && self.former.as_ref().map(Arc::as_ptr) == former.map(Arc::as_ptr)
            && self.instance == process.instance
    }
}

impl Journal {
    /// Reads what the last daemon of this home has left, if it did not end in good order.
    ///
    /// The old file stays in place until [`Self::rewrite`]: the caller takes over what it tells first. If the disk is
    /// too full for that, the old file goes on, with the room that was set aside for it.
    pub(crate) fn open(home: &Home) -> Result<(Self, Option<Past>), JournalError> {
        let path = home.journal();
        let past = Past::read(&path)?;
        let boot = boot_id();
        // What is noted now cannot stand below a header that names another boot.
        let goes_on = past.as_ref().filter(|past| past.boot == boot);
        let file = match goes_on {
            Some(_) => OpenOptions::new().append(true).open(&path),
            None => fresh(&path),
        };
        let journal = Self {
            file: file.map_err(|error| JournalError::Io { path: path.clone(), error })?,
            path,
            next_environment: goes_on.map_or(0, |past| past.next_environment),
            length: goes_on.map_or(0, |past| past.length),
            boot,
            environments: HashMap::new(),
            written: HashMap::new(),
            declared: goes_on.into_iter().flat_map(|past| &past.processes).map(|kept| kept.id).collect(),
            limit: 0,
            shortfall: None,
        };
        Ok((journal, past))
    }

    /// Whether this version could go on from the journal of `home`, if there is one, and write to it. Changes nothing.
    pub(crate) fn check(home: &Home) -> Result<(), JournalError> {
        let path = home.journal();
        Past::check(&path)?;
        let at = |path: PathBuf| move |error| JournalError::Io { path, error };
        match OpenOptions::new().append(true).open(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(path)(error)),
            _ => {}
        }
        match access(&home.state_dir(), AccessFlags::W_OK) {
            // A directory that was removed can be made again.
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(at(home.state_dir())(errno.into())),
        }
    }

    /// Fails while the next daemon would not find this process if this one died now.
    pub(crate) fn check_declared(&self, id: ProcessId) -> Result<(), NotDeclared> {
        match &self.shortfall {
            Some(Shortfall { reason, .. }) if !self.declared.contains(&id) => {
                Err(NotDeclared { path: self.path.clone(), reason: reason.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whether the file has all that it should.
    pub(crate) fn is_complete(&self) -> bool {
        self.shortfall.is_none()
    }

    /// Names the boot of this system: pids of another mean nothing.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Writes what is new about a process.
    pub(crate) fn keep(&mut self, process: &Process) {
        let known = self.written.get(&process.id);
        let is_declared = known.is_some_and(|known| known.declares(process));
        if is_declared && known.is_some_and(|known| known.has_life_of(process)) {
            return;
        }
        let mut lines = Vec::with_capacity(1024);
        if !is_declared {
            self.declare(process, &mut lines);
        }
        Record::life(process).write_to(&mut lines);
        if self.append(&lines) {
            self.written.insert(process.id, Written::of(process));
            self.declared.insert(process.id);
        }
    }

    /// Writes what was asked of processes: all of it, before the first of them begins.
    pub(crate) fn order<'a>(&mut self, processes: impl Iterator<Item = &'a Process>) {
        let mut orders: Vec<(Order, Vec<ProcessId>)> = Vec::new();
        for process in processes {
            let Some(order) = process.ordered else { continue };
            match orders.last_mut() {
                Some((last, ids)) if *last == order => ids.push(process.id),
                _ => orders.push((order, vec![process.id])),
            }
            if let Some(written) = self.written.get_mut(&process.id) {
                written.ordered = Some(order);
            }
        }
        let mut lines = Vec::new();
        for (order, ids) in orders {
            Record::Ordered { order, ids }.write_to(&mut lines);
        }
        self.append(&lines);
    }

    /// A signal ends the daemon, whose list is saved.
    pub(crate) fn end(&mut self) {
        let mut line = Vec::new();
        Record::Ending {}.write_to(&mut line);
        self.append(&line);
    }

    /// A run is to end that no process has any more.
    pub(crate) fn give_away(&mut self, given: GivenAway) {
        let mut line = Vec::new();
        Record::GivenAway(given).write_to(&mut line);
        self.append(&line);
    }

    /// A process is no longer in the table.
    pub(crate) fn forget(&mut self, id: ProcessId) {
        self.written.remove(&id);
        if self.declared.remove(&id) {
            let mut line = Vec::new();
            Record::Forgotten { id }.write_to(&mut line);
            self.append(&line);
        }
    }

    /// When the file is to be written anew, on the monotonic clock; `None` while it is not.
    pub(crate) fn rewrite_due(&self) -> Option<u64> {
        if self.length > self.limit {
            Some(0)
        } else {
            self.shortfall.as_ref().map(|shortfall| shortfall.retry)
        }
    }

    /// Writes the whole file anew. It takes the place of the old one, or nothing changes.
    pub(crate) fn rewrite<'a>(
        &mut self,
        next_id: u32,
        processes: impl Iterator<Item = &'a Process>,
        given_away: impl Iterator<Item = GivenAway>,
    ) {
        self.forget_written();
        let mut lines = Vec::new();
        Record::Header(Header { format: FORMAT, boot: self.boot.clone(), next_id }).write_to(&mut lines);
        let processes: Vec<_> = processes.collect();
        for process in &processes {
            self.declare(process, &mut lines);
            Record::life(process).write_to(&mut lines);
        }
        for given in given_away {
            Record::GivenAway(given).write_to(&mut lines);
        }
        let replace = || {
            let mut file = fresh(&self.path)?;
            file.write_all(&lines)?;
            // A power cut must not find the new name with nothing behind it.
            if !processes.is_empty() {
                file.sync_data()?;
            }
            fs::rename(temporary(&self.path), &self.path)?;
            // Room for what comes, also when the disk is full by then. Not every file system can.
            let _ = fallocate(file.as_fd(), FallocateFlags::KEEP_SIZE, lines.len() as u64, GROWTH);
            Ok(file)
        };
        match replace() {
            Ok(file) => {
                self.file = file;
                self.length = lines.len() as u64;
                self.limit = self.length * 2 + GROWTH;
                if self.shortfall.take().is_some() {
                    tracing::info!("{} is complete again", self.path.display());
                }
                self.declared = processes.iter().map(|process| process.id).collect();
                for process in processes {
                    self.written.insert(process.id, Written::of(process));
                }
            }
            Err(error) => {
                // The old file goes on, in which none of this stands.
                self.cut_off();
                self.forget_written();
                self.limit = self.length * 2 + GROWTH;
                self.failed(&error);
            }
        }
    }

    /// All has ended in good order: nobody has to go on from here.
    pub(crate) fn close(self) {
        let _ = fs::remove_file(temporary(&self.path));
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::error!("{}: {error}", self.path.display());
        }
    }

    /// The declaration of `process`, and its environment if that is new here.
    fn declare(&mut self, process: &Process, lines: &mut Vec<u8>) {
        let declared = Declared::of(process, |env| self.number_of(env, lines));
        Record::Declared(declared).write_to(lines);
    }

    /// The number of an environment, which is written if it has none yet.
    fn number_of(&mut self, env: &Arc<Env>, lines: &mut Vec<u8>) -> u32 {
        if let Some(&number) = self.environments.get(env) {
            return number;
        }
        let number = self.next_environment;
        self.next_environment = number.wrapping_add(1);
        self.environments.insert(Arc::clone(env), number);
        Record::Env { number, env: Arc::clone(env) }.write_to(lines);
        number
    }

    /// Appends whole records, or nothing. Says once that it cannot.
    fn append(&mut self, lines: &[u8]) -> bool {
        match self.file.write_all(lines) {
            Ok(()) => {
                self.length += lines.len() as u64;
                true
            }
            Err(error) => {
                self.cut_off();
                // An environment with a number may not have been written.
                self.forget_written();
                self.failed(&error);
                false
            }
        }
    }

    /// Half a record at the end would make the next one unreadable. A file that has none keeps the room that was set
    /// aside for it.
    fn cut_off(&self) {
        if self.file.metadata().is_ok_and(|file| file.len() > self.length) {
            let _ = self.file.set_len(self.length);
        }
    }

    /// Whatever is kept next is written in full. Numbers of environments are not given twice: in one file each means
    /// one.
    fn forget_written(&mut self) {
        self.environments.clear();
        self.written.clear();
    }

    fn failed(&mut self, error: &io::Error) {
        let shortfall = Shortfall { retry: Now::read().mono + RETRY, reason: error.to_string() };
        if self.shortfall.replace(shortfall).is_none() {
            tracing::error!(
                "{}: {error}: what changes now would be lost if the daemon died; trying again each second",
                self.path.display()
            );
        }
    }
}

/// The file that takes the place of the present one when it is complete.
fn temporary(path: &std::path::Path) -> PathBuf {
    path.with_extension("new")
}

fn fresh(path: &std::path::Path) -> io::Result<File> {
    let path = temporary(path);
    files::create(&path).or_else(|error| match path.parent() {
        // The directory was removed while the daemon lived.
        Some(directory) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            files::create(&path)
        }
        _ => Err(error),
    })
}

/// What the kernel calls the time since it was started.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use rpm_core::{Interpreter, Persona};

    use super::*;
    use crate::{table::Table, verbs::Declaration};

    #[test]
    fn the_file_of_the_daemon_before_goes_on_while_it_cannot_be_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().into(), Persona::Rpm);
        fs::create_dir(home.state_dir()).unwrap();
        let table = two(&home);
        let [a, b] = [0, 1].map(|id| table.get(ProcessId(id)).unwrap());
        let (mut before, _) = Journal::open(&home).unwrap();
        before.rewrite(1, [a].into_iter(), std::iter::empty());
        // It was killed in the middle of a record.
        before.file.write_all(b"{\"declared").unwrap();
        drop(before);
        fs::create_dir(temporary(&home.journal())).unwrap();
        let (mut journal, past) = Journal::open(&home).unwrap();
        assert_eq!(past.unwrap().processes.len(), 1);
        journal.rewrite(1, [a].into_iter(), std::iter::empty());
        journal.keep(b);
        assert_eq!(who(&home), [("a".to_owned(), "a".to_owned()), ("b".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_goes_on_with_everybodys_own_environment() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().into(), Persona::Rpm);
        fs::create_dir(home.state_dir()).unwrap();
        let table = two(&home);
        let [a, b] = [0, 1].map(|id| table.get(ProcessId(id)).unwrap());
        let (mut journal, past) = Journal::open(&home).unwrap();
        assert!(past.is_none());
        journal.rewrite(1, [a].into_iter(), std::iter::empty());
        let blocked = temporary(&home.journal());
        fs::create_dir(&blocked).unwrap();
        journal.rewrite(2, [b, a].into_iter(), std::iter::empty());
        assert!(journal.rewrite_due().is_some(), "it is tried again");
        assert!(journal.check_declared(a.id).is_ok());
        assert!(journal.check_declared(b.id).is_err(), "the file has no record of it");
        journal.keep(b);
        assert!(journal.check_declared(b.id).is_ok());
        fs::remove_dir(&blocked).unwrap();
        assert_eq!(who(&home), [("a".to_owned(), "a".to_owned()), ("b".to_owned(), "b".to_owned())]);
    }

    /// Two processes, each with its name in an environment of its own.
    fn two(home: &Home) -> Table {
        let mut table = Table::default();
        for name in ["a", "b"] {
            let spec = AppSpec::new(name, "/bin/x".into(), Interpreter::None, "/".into());
            let mut env = Env::default();
            env.set("WHO", name);
            table.declare(Declaration::of(spec, Arc::new(env)), home, Now { wall: 0, mono: 0 });
        }
        table
    }

    /// The names of those whom the file knows, and what their environments say.
    fn who(home: &Home) -> Vec<(String, String)> {
        let kept = Past::read(&home.journal()).unwrap().unwrap().processes;
        let who = |kept: &Kept| (kept.spec.name.clone(), kept.base_env.get("WHO").unwrap().to_owned());
        kept.iter().map(who).collect()
    }
}
