//! What a daemon that died has left.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::Path,
    sync::Arc,
};

use rpm_core::{AppSpec, Env, ProcessId};
use serde::Deserialize;

use super::{
    JournalError,
    record::{Before, Declared, FORMAT, GivenAway, Record},
};
use crate::{
    clock::Now,
    logs::Ends,
    machine::{Life, Phase},
    table::Former,
};

/// The processes of the daemon before.
#[derive(Debug)]
pub(crate) struct Past {
    /// The boot in which it ran.
    pub boot: String,
    pub next_id: u32,
    pub processes: Vec<Kept>,
    /// Runs that were to end.
    pub given_away: Vec<GivenAway>,
    /// No environment of the file has this number, nor a higher one.
    pub next_environment: u32,
    /// Bytes of its whole lines.
    pub length: u64,
}

/// One process as it was.
#[derive(Debug)]
pub(crate) struct Kept {
    pub id: ProcessId,
    pub spec: Arc<AppSpec>,
    pub base_env: Arc<Env>,
    pub former: Option<Former>,
    pub instance: u32,
    pub unique_id: Arc<str>,
    pub increment: Option<i64>,
    pub life: Life,
    pub birth: Option<u64>,
    pub log_ends: Option<Ends>,
}

/// What is read of a first line before anything else: it must be understood by every version.
#[derive(Deserialize)]
struct First {
    header: Format,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Past {
    /// Reads the file at `path`. `None` if there is none, or nothing can be learned from it: then a copy of it is
    /// left beside it. So it is when some lines are damaged; what the others say is taken.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JournalError::Io { path: path.to_owned(), error }),
        };
        match Self::parse(&text) {
            Ok((past, damaged)) => {
                if damaged > 0 || past.is_none() {
                    let copy = path.with_extension("damaged");
                    tracing::error!(
                        "{}: {damaged} records are damaged, the file was copied to {}",
                        path.display(),
                        copy.display()
                    );
                    if let Err(error) = fs::copy(path, &copy) {
                        tracing::error!("{}: {error}", copy.display());
                    }
                }
                Ok(past)
            }
            Err(found) => Err(JournalError::Newer { path: path.to_owned(), found }),
        }
    }

    /// Whether the file at `path` has a format that can be read.
    pub(super) fn check(path: &Path) -> Result<(), JournalError> {
        match fs::read(path) {
            Ok(text) => match Self::parse(&text) {
                Ok(_) => Ok(()),
                Err(found) => Err(JournalError::Newer { path: path.to_owned(), found }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(JournalError::Io { path: path.to_owned(), error }),
        }
    }

    /// What `text` says, and how many of its lines say nothing. The error is a format that is newer than ours.
    fn parse(text: &[u8]) -> Result<(Option<Self>, usize), u32> {
        let mut lines = text.split_inclusive(|&byte| byte == b'\n');
        let first = lines.next().unwrap_or_default();
        if let Ok(First { header: Format { format } }) = serde_json::from_slice(first)
            && format > FORMAT
        {
            return Err(format);
        }
        let Ok(Record::Header(header)) = serde_json::from_slice(first) else { return Ok((None, 1)) };
        let mut environments: HashMap<u32, Arc<Env>> = HashMap::new();
        let mut declared: BTreeMap<ProcessId, Declared> = BTreeMap::new();
        let mut lives = HashMap::new();
        let mut given_away = Vec::new();
        let (mut next_id, mut damaged) = (header.next_id, 0);
        for line in lines {
            match serde_json::from_slice(line) {
                Ok(Record::Env { number, env }) => {
                    environments.insert(number, env);
                }
                Ok(Record::Declared(process)) => {
                    next_id = next_id.max(process.id.0.saturating_add(1));
                    declared.insert(process.id, process);
                }
                Ok(Record::Life { id, life, birth, log_ends }) => {
                    lives.insert(id, (*life, birth, log_ends));
                }
                Ok(Record::Forgotten { id }) => {
                    declared.remove(&id);
                    lives.remove(&id);
                }
                Ok(Record::GivenAway(given)) => given_away.push(given),
                Ok(Record::Header(_)) => damaged += 1,
                // The last line may have been cut off by a power failure; that one was not acted on.
                Err(_) if line.last() != Some(&b'\n') => {}
                Err(_) => damaged += 1,
            }
        }
        let mut processes = Vec::with_capacity(declared.len());
        for (id, declared) in declared {
            let Declared { app, env, instance, unique_id, increment, former, .. } = declared;
            let Some(base_env) = environments.get(&env) else {
                damaged += 1;
                continue;
            };
            // One whose first record is lost was about to be started: it is looked for, or started.
            let (life, birth, log_ends) = lives.remove(&id).unwrap_or_else(|| {
                damaged += 1;
                (Life { phase: Phase::Starting, ..Life::new(Now::read()) }, None, None)
            });
            let base_env = Arc::clone(base_env);
            let former = former.and_then(|Before { app, env, pid }| {
                let base_env = Arc::clone(environments.get(&env)?);
                Some(Former { spec: app, base_env, pid })
            });
            processes.push(Kept {
                id,
                spec: app,
                base_env,
                former,
                instance,
                unique_id,
                increment,
                life,
                birth,
                log_ends,
            });
        }
        let next_environment = environments.keys().max().map_or(0, |&last| last.saturating_add(1));
        let length = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end as u64 + 1);
        let boot = header.boot;
        Ok((Some(Self { boot, next_id, processes, given_away, next_environment, length }), damaged))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rpm_core::Exit;

    use super::*;
    use crate::machine::Phase;

    /// What the first version has written. A version that reads this no longer loses what runs on somebody's machine.
    const FIRST: &[u8] = include_bytes!("fixtures/format-1");

    fn parse(text: &[u8]) -> (Option<Past>, usize) {
        Past::parse(text).expect("the format is known")
    }

    #[test]
    fn the_first_format_is_read() {
        let (past, damaged) = parse(FIRST);
        let past = past.unwrap();
        assert_eq!((damaged, past.next_id, past.processes.len()), (0, 3, 3));
        let [web, task, slow] = past.processes.as_slice() else { panic!("{past:?}") };
        assert_eq!((web.spec.name.as_str(), web.instance, web.birth), ("web", 0, Some(1_541_092)));
        assert!(matches!(web.life.phase, Phase::Online(run) if run.pid == 31_138));
        assert_eq!((web.life.restart_time, web.life.exit), (1, Some(Exit::Signal(2))));
        assert_eq!(web.base_env.get("PATH").map(String::as_str), Some("/usr/bin:/bin"));
        assert_eq!((task.life.exit, &task.life.phase), (Some(Exit::Code(3)), &Phase::Stopped));
        assert!(Arc::ptr_eq(&web.base_env, &task.base_env));
        assert!(matches!(slow.life.phase, Phase::Stopping { killed: false, .. }));
    }

    #[test]
    fn a_newer_format_is_told_whatever_follows() {
        assert_eq!(Past::parse(b"{\"header\":{\"format\":2,\"all\":\"new\"}}\n\0").unwrap_err(), 2);
    }

    #[test]
    fn each_line_stands_for_itself() {
        let lines: Vec<&[u8]> = FIRST.split_inclusive(|&byte| byte == b'\n').collect();
        for skipped in 1..lines.len() {
            let mut text = Vec::new();
            for (number, line) in lines.iter().enumerate() {
                text.extend_from_slice(if number == skipped { b"{garbage\n" } else { line });
            }
            let (past, damaged) = parse(&text);
            assert!(damaged >= 1 && past.is_some(), "without line {skipped}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_no_past(text in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Past::parse(&text);
        }

        #[test]
        fn a_cut_at_any_place_is_survived(length in 0..FIRST.len()) {
            let (past, damaged) = parse(&FIRST[..length]);
            let whole = FIRST[..length].split(|&byte| byte == b'\n').count() - 1;
            prop_assert_eq!(past.is_some(), whole >= 1 || serde_json::from_slice::<Record>(&FIRST[..length]).is_ok());
            // A declaration without its life was not acted on.
            prop_assert!(damaged <= 1);
        }
    }
}
