//! What a daemon that died has left.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::Path,
    sync::Arc,
};

use rpm_core::{AppSpec, Env, ProcessId, name::Naming, summed};
use serde::Deserialize;

use super::{
    JournalError, boot_id,
    record::{Before, Declared, FORMAT, GivenAway, Header, Record, SUMMED},
};
use crate::{
    clock::Now,
    logs::Ends,
    machine::{Life, Phase},
    orders::Order,
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
    /// A signal was ending it.
    pub is_ending: bool,
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
    pub naming: Naming,
    pub life: Life,
    pub birth: Option<u64>,
    pub log_ends: Option<Ends>,
    /// The record of its life was damaged: nothing is known of its runs.
    pub is_life_lost: bool,
    /// What was asked of it and has not begun.
    pub ordered: Option<Order>,
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
    pub(crate) fn parse(text: &[u8]) -> Result<(Option<Self>, usize), u32> {
        let mut lines = text.split_inclusive(|&byte| byte == b'\n');
        let first = lines.next().unwrap_or_default();
        // Every version writes this line with the same kind of sum: a format that only a flipped bit made newer is damage.
        let is_damaged = summed::is_summed(first) && summed::content(first).is_none();
        if let Ok(First { header: Format { format } }) = serde_json::from_slice(first)
            && format > FORMAT
            && !is_damaged
        {
            return Err(format);
        }
        // The oldest lines have no sum. A first line that has become such a one is taken for damaged.
        let plain = |line| serde_json::from_slice(line).ok();
        let is_summed = match plain(first) {
            Some(Record::Header(Header { format, .. })) => format >= SUMMED,
            _ => true,
        };
        // A file of that kind may have been gone on with while it could not be replaced.
        let read = |line| Record::read(line).or_else(|| plain(line).filter(|_| !is_summed));
        let header = match read(first) {
            Some(Record::Header(header)) => Some(header),
            _ => None,
        };
        let is_headless = header.is_none();
        let mut environments: HashMap<u32, Arc<Env>> = HashMap::new();
        let mut declared: BTreeMap<ProcessId, Declared> = BTreeMap::new();
        let mut lives = HashMap::new();
        let mut orders: HashMap<ProcessId, Order> = HashMap::new();
        let mut is_ending = false;
        let mut given_away = Vec::new();
        let mut next_id = header.as_ref().map_or(0, |header| header.next_id);
        let mut damaged = usize::from(header.is_none());
        for line in lines {
            match read(line) {
                Some(Record::Env { number, env }) => {
                    environments.insert(number, env);
                }
                Some(Record::Declared(process)) => {
                    next_id = next_id.max(process.id.0.saturating_add(1));
                    declared.insert(process.id, process);
                }
                Some(Record::Life { id, life, birth, log_ends, ordered }) => {
                    lives.insert(id, (*life, birth, log_ends));
                    orders.remove(&id);
                    orders.extend(ordered.map(|order| (id, order)));
                }
                Some(Record::Ordered { order, ids }) => orders.extend(ids.into_iter().map(|id| (id, order))),
                Some(Record::Ending {}) => is_ending = true,
                Some(Record::Forgotten { id }) => {
                    declared.remove(&id);
                    lives.remove(&id);
                    orders.remove(&id);
                }
                Some(Record::GivenAway(given)) => given_away.push(given),
                Some(Record::Header(_)) => damaged += 1,
                // The last line may have been cut off by a power failure; that one was not acted on.
                None if line.last() != Some(&b'\n') => {}
                None => damaged += 1,
            }
        }
        let mut processes = Vec::with_capacity(declared.len());
        for (id, declared) in declared {
            let Declared { app, env, instance, unique_id, increment, naming, former, .. } = declared;
            let Some(base_env) = environments.get(&env) else {
                damaged += 1;
                continue;
            };
            // One whose first record is lost was about to be started: it is looked for, or started.
            let is_life_lost = !lives.contains_key(&id);
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
                naming,
                life,
                birth,
                log_ends,
                is_life_lost,
                ordered: orders.remove(&id),
            });
        }
        let next_environment = environments.keys().max().map_or(0, |&last| last.saturating_add(1));
        let length = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end as u64 + 1);
        // Nobody knows which boot it was. Whether it was this one is seen on each run, by its pid and birth.
        let boot = header.map_or_else(boot_id, |header| header.boot);
        let past = Self { boot, next_id, processes, given_away, is_ending, next_environment, length };
        Ok((Some(past).filter(|past| !is_headless || !past.processes.is_empty()), damaged))
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

    /// What the second version has written, with a sum on each line. The same otherwise.
    const SECOND: &[u8] = include_bytes!("fixtures/format-2");

    fn parse(text: &[u8]) -> (Option<Past>, usize) {
        Past::parse(text).expect("the format is known")
    }

    fn lines(text: &[u8]) -> Vec<&[u8]> {
        text.split_inclusive(|&byte| byte == b'\n').collect()
    }

    /// All that a journal may tell of a process, in the order in which it was told.
    fn told(text: &[u8]) -> Vec<String> {
        let plain = text.split(|&byte| byte == b'\n').filter_map(|line| {
            let line = str::from_utf8(line).ok()?;
            let record =
                line.rsplit_once(",\"sum\":").map_or(line.to_owned(), |(record, _)| format!("{record}}}"));
            serde_json::from_str(&record).ok()
        });
        plain
            .map(|record| match record {
                Record::Life { life, .. } => format!("{life:?}"),
                Record::Declared(declared) => format!("{:?}", declared.app),
                Record::Env { env, .. } => format!("{env:?}"),
                _ => String::new(),
            })
            .collect()
    }

    #[test]
    fn the_second_format_is_read() {
        let (past, damaged) = parse(SECOND);
        assert_eq!((past.unwrap().processes.len(), damaged), (3, 0));
    }

    /// A bit that has flipped costs its line, and is never taken for what somebody has declared.
    #[test]
    fn a_bit_that_has_flipped_starts_nothing_else() {
        let told = told(SECOND);
        for place in 0..SECOND.len() {
            let mut text = SECOND.to_vec();
            text[place] ^= 1 << (place % 8);
            let (past, damaged) = parse(&text);
            // Without its end the last line is one that was cut off.
            assert!(damaged >= 1 || place + 1 == SECOND.len(), "byte {place}");
            // With the end of the first line the second one is lost too, and with it everybody's environment.
            let Some(past) = past else {
                assert_eq!(SECOND[place], b'\n', "byte {place}");
                continue;
            };
            for kept in past.processes {
                let Kept { spec, base_env, life, .. } = kept;
                let is_told = |what: String| told.contains(&what);
                assert!(
                    is_told(format!("{spec:?}")) && is_told(format!("{base_env:?}")),
                    "byte {place}: {spec:?}"
                );
                // Of one whose only life is lost it is not known whether it runs.
                assert!(
                    life.phase == Phase::Starting || is_told(format!("{life:?}")),
                    "byte {place}: {life:?}"
                );
            }
        }
    }

    #[test]
    fn the_first_format_is_read() {
        let (past, damaged) = parse(FIRST);
        let past = past.unwrap();
        assert_eq!((damaged, past.next_id, past.processes.len()), (0, 3, 3));
        let [web, task, slow] = past.processes.as_slice() else { panic!("{past:?}") };
        assert_eq!((web.spec.name.as_str(), web.instance, web.birth), ("web", 0, Some(1_541_092)));
        assert_eq!(web.naming, Naming::Pm2, "its files are there by that name");
        assert!(matches!(web.life.phase, Phase::Online(run) if run.pid == 31_138));
        assert_eq!((web.life.restart_time, web.life.exit), (1, Some(Exit::Signal(2))));
        assert_eq!(web.base_env.get("PATH").map(String::as_str), Some("/usr/bin:/bin"));
        assert_eq!((task.life.exit, &task.life.phase), (Some(Exit::Code(3)), &Phase::Stopped));
        assert!(Arc::ptr_eq(&web.base_env, &task.base_env));
        assert!(matches!(slow.life.phase, Phase::Stopping { killed: false, .. }));
    }

    #[test]
    fn a_newer_format_is_told_whatever_follows() {
        assert_eq!(Past::parse(b"{\"header\":{\"format\":3,\"all\":\"new\"}}\n\0").unwrap_err(), 3);
    }

    #[test]
    fn each_line_stands_for_itself() {
        let lines = lines(SECOND);
        for skipped in 0..lines.len() {
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
        fn lines_in_any_order_and_number_are_survived(
            picked in prop::collection::vec(prop::sample::select(lines(FIRST)), 0..40),
        ) {
            let text = [&lines(FIRST)[..1], &picked].concat().concat();
            let (past, _) = parse(&text);
            prop_assert!(past.is_some_and(|past| past.processes.len() <= 3));
        }

        #[test]
        fn a_cut_at_any_place_is_survived(text in prop::sample::select(vec![FIRST, SECOND]), cut: prop::sample::Index) {
            let text = &text[..cut.index(text.len())];
            let (past, damaged) = parse(text);
            let whole = text.split(|&byte| byte == b'\n').count() - 1;
            prop_assert_eq!(past.is_some(), whole >= 1 || serde_json::from_slice::<Record>(text).is_ok());
            // A declaration without its life was not acted on.
            prop_assert!(damaged <= 1);
        }
    }
}
