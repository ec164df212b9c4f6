//! The list that `save` writes and `resurrect` reads.

mod pm2;
mod sums;

pub use self::sums::{Proof, proof};

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use rpm_core::{AppSpec, Env, Home, Persona, bounded, name::Naming, pm2_env::Saved};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    files,
    table::{Process, Table},
};

/// Raised when an older program would misread the file.
const VERSION: u32 = 1;

/// The file. Environments are often the same for many processes and are written once.
#[derive(Debug, Serialize, Deserialize)]
struct Dump {
    version: u32,
    environments: Vec<Arc<Env>>,
    processes: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    app: Arc<AppSpec>,
    /// Index into `environments`.
    environment: usize,
    instance: u32,
    unique_id: Arc<str>,
    /// How its files are named; earlier versions named them as PM2 does.
    #[serde(default, skip_serializing_if = "Naming::is_default")]
    naming: Naming,
    /// Whether it was wanted up when it was saved.
    running: bool,
}

/// Why a dump could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DumpError {
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, io::Error),
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, io::Error),
    #[error("{0} is no process list: {1}")]
    Malformed(PathBuf, String),
    #[error("{path} has format {found}, this version reads up to {VERSION}: use the newer rpm that wrote it")]
    Newer { path: PathBuf, found: u64 },
}

/// Writes the table to the home's dump file, as a whole or not at all; the files before it are kept as backups. The same
/// list again replaces nothing.
pub(crate) fn save(home: &Home, table: &Table) -> Result<PathBuf, DumpError> {
    let path = home.dump();
    let write = || -> io::Result<()> {
        let text = match home.persona() {
            Persona::Rpm => serde_json::to_vec_pretty(&collect(table))?,
            _ => serde_json::to_vec_pretty(&pm2::collect(table)?)?,
        };
        if fs::read(&path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        let fresh = path.with_extension(format!("{}.new", home.persona().word()));
        let mut file = files::create(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        keep_generations(&path, &home.dump_backups())?;
        fs::rename(&fresh, &path)?;
        sums::note(home, &text);
        File::open(home.root())?.sync_all()
    };
    write().map_err(|error| DumpError::Write(path.clone(), error))?;
    Ok(path)
}

/// Makes each backup the next older one, and the present list the latest. At each moment there is a list at `path`, where
/// the file system has hard links.
fn keep_generations(path: &Path, backups: &[PathBuf]) -> io::Result<()> {
    let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let absent_is_fine = |outcome: io::Result<()>| match outcome {
        Err(error) if !is_missing(&error) => Err(error),
        _ => Ok(()),
    };
    for pair in backups.windows(2).rev() {
        absent_is_fine(fs::rename(&pair[0], &pair[1]))?;
    }
    let Some(latest) = backups.first() else { return Ok(()) };
    absent_is_fine(fs::remove_file(latest))?;
    absent_is_fine(
        fs::hard_link(path, latest)
            .or_else(|error| if is_missing(&error) { Err(error) } else { fs::rename(path, latest) }),
    )
}

fn collect(table: &Table) -> Dump {
    let mut environments = Vec::new();
    let mut known: HashMap<Arc<Env>, usize> = HashMap::new();
    let mut entry = |process: &Process| {
        let environment = *known.entry(Arc::clone(&process.base_env)).or_insert_with(|| {
            environments.push(Arc::clone(&process.base_env));
            environments.len() - 1
        });
        Entry {
            app: Arc::clone(&process.spec),
            environment,
            instance: process.instance,
            unique_id: Arc::clone(&process.unique_id),
            naming: process.naming,
            running: process.life.is_wanted_up(),
        }
    };
    let processes = table.apps().map(&mut entry).collect();
    Dump { version: VERSION, environments, processes }
}

/// Reads the home's dump, or the latest of its backups that can be read where the dump is missing or damaged. `None` where
/// there is none of them. What cannot be read is left as it is.
pub(crate) fn load(home: &Home) -> Result<Option<Vec<Saved>>, DumpError> {
    match read(&home.dump(), home) {
        Ok(Some(saved)) => Ok(Some(saved)),
        Err(newer @ DumpError::Newer { .. }) => Err(newer),
        failed => {
            for backup in home.dump_backups() {
                match read(&backup, home) {
                    Ok(Some(saved)) => {
                        let dump = home.dump();
                        tracing::warn!("{} is missing or damaged: read {}", dump.display(), backup.display());
                        return Ok(Some(saved));
                    }
                    Ok(None) => {}
                    Err(error) => tracing::error!("{error}"),
                }
            }
            failed
        }
    }
}

/// The list that would be brought back in `home`; `None` where nothing was saved. The error says what is wrong with it.
pub fn saved(home: &Home) -> Result<Option<Vec<Saved>>, String> {
    load(home).map_err(|error| error.to_string())
}

/// Bytes that a list may have: more than one of 10,000 processes takes in PM2's format, each with its environment.
pub const MAX_DUMP: u64 = 128 << 20;

/// Reads one file, in our format or PM2's. `None` where there is none.
pub(crate) fn read(path: &Path, home: &Home) -> Result<Option<Vec<Saved>>, DumpError> {
    let text = match bounded::read(path, MAX_DUMP) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DumpError::Read(path.to_owned(), error)),
    };
    if proof(home, path, &text) == Proof::Damaged {
        let reason = format!("it was damaged on the disk (its sum is not in {})", home.dump_sums().display());
        return Err(DumpError::Malformed(path.to_owned(), reason));
    }
    parse(&text, path, home).map(Some)
}

/// The list in the text of the file at `path`.
pub(crate) fn parse(text: &[u8], path: &Path, home: &Home) -> Result<Vec<Saved>, DumpError> {
    let malformed = |reason: String| DumpError::Malformed(path.to_owned(), reason);
    let value: Value = serde_json::from_slice(text).map_err(|error| malformed(error.to_string()))?;
    if let Value::Array(entries) = &value {
        return pm2::restore(entries, home).map_err(malformed);
    }
    match value.get("version").and_then(Value::as_u64) {
        Some(version) if version > VERSION.into() => {
            return Err(DumpError::Newer { path: path.to_owned(), found: version });
        }
        Some(_) => {}
        None => return Err(malformed("expected a version, or the list that PM2 writes".to_owned())),
    }
    let dump: Dump = serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
    let saved = |entry: Entry| {
        let base_env = dump
            .environments
            .get(entry.environment)
            .ok_or_else(|| malformed(format!("no environment {}", entry.environment)))?;
        Ok(Saved {
            spec: entry.app,
            base_env: Arc::clone(base_env),
            instance: entry.instance,
            unique_id: entry.unique_id,
            naming: entry.naming,
            running: entry.running,
        })
    };
    dump.processes.into_iter().map(saved).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;
    use rpm_core::{Interpreter, Persona};

    use super::*;
    use crate::{clock::Now, verbs::Declaration};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_file_of_any_bytes_is_a_list_or_malformed(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let directory = tempfile::tempdir().unwrap();
            let home = home(&directory);
            fs::write(home.dump(), &bytes).unwrap();
            let is_known = matches!(load(&home), Ok(_) | Err(DumpError::Malformed(..) | DumpError::Newer { .. }));
            prop_assert!(is_known);
        }

        /// What is read of a file of which something is gone, or has changed, was in it.
        #[test]
        fn a_file_that_was_damaged_brings_nothing_else_back(
            persona in prop::sample::select(vec![Persona::Rpm, Persona::Pm2]),
            place: prop::sample::Index,
            bit in prop::option::of(0u8..8),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let home = Home::new(directory.path().into(), persona);
            save(&home, &table(&home, &["a", "b", "c"])).unwrap();
            let mut text = fs::read(home.dump()).unwrap();
            let place = place.index(text.len());
            match bit {
                Some(bit) => text[place] ^= 1u8 << bit,
                None => text.truncate(place),
            }
            fs::write(home.dump(), &text).unwrap();
            match load(&home) {
                Ok(saved) => prop_assert!(bit.is_some() && saved.is_some_and(|saved| saved.len() <= 3)),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    fn home(directory: &tempfile::TempDir) -> Home {
        Home::new(directory.path().into(), Persona::Rpm)
    }

    fn table(home: &Home, names: &[&str]) -> Table {
        let mut table = Table::default();
        let mut env = Env::default();
        env.set("A", "1");
        for name in names {
            let spec = AppSpec::new(*name, "/bin/x".into(), Interpreter::None, "/".into());
            // Equal environments that are not the same allocation.
            let env = Arc::new(env.clone());
            table.declare(Declaration::of(spec, env), home, Now { wall: 0, mono: 0 });
        }
        table
    }

    #[test]
    fn what_was_saved_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let home = home(&directory);
        assert!(load(&home).unwrap().is_none());
        save(&home, &table(&home, &["a", "b"])).unwrap();
        let saved = load(&home).unwrap().unwrap();
        assert_eq!(saved.iter().map(|s| s.spec.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(Arc::ptr_eq(&saved[0].base_env, &saved[1].base_env));
        assert_eq!(saved[0].base_env.get("A").map(String::as_str), Some("1"));
    }

    #[test]
    fn a_damaged_dump_falls_back_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let home = home(&directory);
        save(&home, &table(&home, &["old"])).unwrap();
        save(&home, &table(&home, &["new"])).unwrap();
        let text = fs::read(home.dump()).unwrap();
        fs::write(home.dump(), &text[..text.len() / 2]).unwrap();
        assert_eq!(load(&home).unwrap().unwrap()[0].spec.name, "old");
        assert_eq!(fs::read(home.dump()).unwrap().len(), text.len() / 2);
        fs::remove_file(home.dump_backup()).unwrap();
        assert!(matches!(load(&home), Err(DumpError::Malformed(..))));
    }

    #[test]
    fn generations_are_kept_and_fallen_back_through() {
        let directory = tempfile::tempdir().unwrap();
        let home = home(&directory);
        for number in 0..9 {
            for _ in 0..2 {
                // The same list again is no generation.
                save(&home, &table(&home, &[&format!("a{number}")])).unwrap();
            }
        }
        let newest = |home: &Home| load(home).unwrap().map(|saved| saved[0].spec.name.clone());
        let mut generations = vec![home.dump()];
        generations.extend(home.dump_backups());
        for (path, name) in generations.iter().zip(["a8", "a7", "a6", "a5", "a4", "a3"]) {
            assert_eq!(newest(&home).as_deref(), Some(name));
            fs::write(path, "{\"version\": 1, \"envi").unwrap();
        }
        assert!(matches!(load(&home), Err(DumpError::Malformed(..))));
        let mode = fs::metadata(home.dump_backup()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn under_pm2s_name_the_list_is_pm2s_and_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().into(), Persona::Pm2);
        let table = table(&home, &["a", "b"]);
        save(&home, &table).unwrap();
        let text = fs::read(directory.path().join("dump.pm2")).unwrap();
        let list: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!((&list[1]["name"], &list[1]["env"]["A"]), (&"b".into(), &"1".into()));
        assert_eq!(list[0].get("pm_id"), None);
        let saved = load(&home).unwrap().unwrap();
        assert_eq!(saved.len(), 2);
        for (saved, process) in saved.iter().zip(table.iter()) {
            assert_eq!((&saved.spec, &saved.base_env), (&process.spec, &process.base_env));
        }
    }

    #[test]
    fn a_newer_format_is_refused_even_with_an_older_backup() {
        let directory = tempfile::tempdir().unwrap();
        let home = home(&directory);
        save(&home, &table(&home, &["old"])).unwrap();
        fs::rename(home.dump(), home.dump_backup()).unwrap();
        fs::write(home.dump(), "{\"version\": 99, \"surprise\": []}").unwrap();
        assert!(matches!(load(&home), Err(DumpError::Newer { found: 99, .. })));
    }
}
