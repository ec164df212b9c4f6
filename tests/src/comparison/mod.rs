//! `rpm`, called as `pm2`, beside the original: the same commands, and their answers compared.
//!
//! A suite is a folder. Every scenario of its `scenarios/` is a short session in a shell. What the original answered is
//! kept in `recorded/`, so that an ordinary run needs no npm; what differs must stand in `differences.toml` with its
//! reason, and what stands there must differ. `tests/parity/README.md` has the variables that record and run the original.

mod answers;
mod differences;
mod normal;
mod probe;
mod recording;
mod run;
mod scenario;
mod session;
mod table;

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use differences::Differences;
use run::{Mode, Outcome};
use scenario::Group;

/// The original, if it is installed here.
fn original() -> Option<PathBuf> {
    Some(crate::repository().join("tests/parity/node_modules/.bin/pm2")).filter(|path| path.exists())
}

/// Runs the suite in `folder`; panics with all differences that are not listed.
#[expect(clippy::print_stderr, reason = "a test says how many scenarios it ran, and against what")]
pub fn compare(folder: &Path) {
    let mode = match Mode::from_env(original()) {
        Ok(mode) => mode,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            return;
        }
    };
    let wanted = env::var("PARITY_ONLY").ok().filter(|wanted| !wanted.is_empty());
    let groups = scenario::load(folder, wanted.as_deref());
    let differences = Differences::load(&folder.join("differences.toml"));
    let outcomes = side_by_side(&groups, &mode, &differences);

    let mut complaints: Vec<String> =
        outcomes.iter().flat_map(|outcome| outcome.complaints.clone()).collect();
    if wanted.is_none() && !matches!(mode, Mode::Record(_)) {
        let used: BTreeSet<usize> = outcomes.iter().flat_map(|outcome| outcome.used.clone()).collect();
        complaints.extend(differences.unused(&used));
    }
    let count: usize = groups.iter().map(|group| group.scenarios.len()).sum();
    eprintln!("{count} scenarios {mode}");
    assert!(complaints.is_empty(), "{} complaints:\n\n{}", complaints.len(), complaints.join("\n\n"));
}

/// Runs all groups, the long ones first. They share nothing, and most of what they do is to wait.
fn side_by_side(groups: &[Group], mode: &Mode, differences: &Differences) -> Vec<Outcome> {
    let mut groups: Vec<&Group> = groups.iter().collect();
    groups.sort_by_key(|group| Reverse(group.scenarios.len()));
    let left = Mutex::new(groups.into_iter());
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) * 4 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no thread panics with it").next();
                    let Some(group) = next else { break };
                    let outcome = run::group(group, mode, differences);
                    outcomes.lock().expect("no thread panics with it").push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().expect("no thread panicked with it")
}
