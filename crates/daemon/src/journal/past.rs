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
    record::{Declared, FORMAT, Record},
};
use crate::machine::Life;

/// The processes of the daemon before.
#[derive(Debug)]
pub(crate) struct Past {
    /// The boot in which it ran.
    pub boot: String,
    pub next_id: u32,
    pub processes: Vec<Kept>,
}

/// One process as it was.
#[derive(Debug)]
pub(crate) struct Kept {
    pub id: ProcessId,
    pub spec: Arc<AppSpec>,
    pub base_env: Arc<Env>,
    pub instance: u32,
    pub unique_id: Arc<str>,
    pub increment: Option<i64>,
    pub life: Life,
    pub birth: Option<u64>,
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
                Ok(Record::Life { id, life, birth }) => {
                    lives.insert(id, (life, birth));
                }
                Ok(Record::Forgotten { id }) => {
                    declared.remove(&id);
                    lives.remove(&id);
                }
                Ok(Record::Header(_)) => damaged += 1,
                // The last line may have been cut off by a power failure; that one was not acted on.
                Err(_) if line.last() != Some(&b'\n') => {}
                Err(_) => damaged += 1,
            }
        }
        let mut processes = Vec::with_capacity(declared.len());
        for (id, declared) in declared {
            let Declared { app, env, instance, unique_id, increment, .. } = declared;
            let (Some(base_env), Some((life, birth))) = (environments.get(&env), lives.remove(&id)) else {
                damaged += 1;
                continue;
            };
            let base_env = Arc::clone(base_env);
            processes.push(Kept { id, spec: app, base_env, instance, unique_id, increment, life, birth });
        }
        Ok((Some(Self { boot: header.boot, next_id, processes }), damaged))
    }
}
