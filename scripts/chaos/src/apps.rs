//! The apps: small programs that write numbered lines, and behave in all the ways that a manager has to live with.
//!
//! A line is `<token> <number>`; a token names one run, its numbers begin with 0. After each line the app adds a byte
//! to the file of its token in the ledger: so many lines have certainly left it.

use std::path::Path;

use serde_json::{Value, json};

/// How an app behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A line now and then.
    Steady,
    /// Hundreds of lines at once.
    Bursts,
    /// Has a child, and one that left its session.
    Family,
    /// Takes a while to end.
    Slow,
    /// Ends by SIGKILL only.
    Stubborn,
    /// Ends by itself every few seconds.
    Restless,
    /// Node, with an IPC channel.
    Node,
    /// One of a changing number of instances.
    Pool,
    /// Comes and goes.
    Guest,
}

/// The names of the apps that are not numbered.
pub(crate) const POOL: &str = "pool";
pub(crate) const GUEST: &str = "guest";
pub(crate) const BOMB: &str = "bomb";

/// What stands in the command line of each main process, and of none that it starts.
pub(crate) const MAIN: &str = "/chaos-main.";

/// How many processes a `Family` has beside its main one.
pub(crate) const RELATIVES: usize = 2;

/// Turns by turns, and whether the daemon puts a date before the lines.
const TURNS: [(Kind, bool); 10] = [
    (Kind::Steady, false),
    (Kind::Steady, true),
    (Kind::Family, false),
    (Kind::Bursts, true),
    (Kind::Slow, false),
    (Kind::Bursts, false),
    (Kind::Restless, true),
    (Kind::Stubborn, false),
    (Kind::Steady, false),
    (Kind::Node, true),
];

/// One app as the ecosystem declares it.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) dated: bool,
    pub(crate) instances: usize,
}

/// What is started first: `processes` of them, four of which are the pool.
pub(crate) fn all(processes: usize) -> Vec<App> {
    let pool = 4.min(processes / 4);
    let numbered = (0..processes - pool).map(|number| {
        let (kind, dated) = TURNS[number % TURNS.len()];
        let name = format!("{kind:?}-{number:02}").to_lowercase();
        App { name, kind, dated, instances: 1 }
    });
    let pool = App { name: POOL.to_owned(), kind: Kind::Pool, dated: true, instances: pool };
    numbered.chain((pool.instances > 0).then_some(pool)).collect()
}

/// The app that comes and goes.
pub(crate) fn guest() -> App {
    App { name: GUEST.to_owned(), kind: Kind::Guest, dated: false, instances: 1 }
}

/// Very many processes, in sessions of their own or not.
pub(crate) fn bomb() -> App {
    App { name: BOMB.to_owned(), kind: Kind::Guest, dated: false, instances: 1 }
}

/// The declaration of `apps`, whose programs are in `directory`.
pub(crate) fn ecosystem(apps: &[App], directory: &Path) -> Value {
    let declare = |app: &App| {
        let (program, behaviour) = match app.kind {
            Kind::Node => (format!("{MAIN}js"), "node"),
            _ if app.name == BOMB => (format!("{MAIN}sh"), "bomb"),
            Kind::Steady | Kind::Pool | Kind::Guest => (format!("{MAIN}sh"), "steady"),
            Kind::Bursts => (format!("{MAIN}sh"), "bursts"),
            Kind::Family => (format!("{MAIN}sh"), "family"),
            Kind::Slow => (format!("{MAIN}sh"), "slow"),
            Kind::Stubborn => (format!("{MAIN}sh"), "stubborn"),
            Kind::Restless => (format!("{MAIN}sh"), "restless"),
        };
        let mut declared = json!({
            "name": app.name,
            "script": directory.join(program.trim_start_matches('/')),
            "args": [behaviour, directory.join("ledger"), directory.join("never")],
            "cwd": directory,
            "kill_timeout": if app.kind == Kind::Stubborn { 200 } else { 5000 },
            "max_restarts": 1_000_000,
        });
        if app.dated {
            declared["time"] = true.into();
        }
        if app.kind == Kind::Pool {
            declared["instances"] = app.instances.into();
        }
        declared
    };
    json!({ "apps": apps.iter().map(declare).collect::<Vec<_>>() })
}

/// The program of all but Node's. It sleeps by waiting for a pipe that never says anything: without a fork.
pub(crate) const SHELL: &str = r#"#!/bin/bash
behaviour=$1 pause=0.2 lines=1
token="$name:$pm_id:$$:${EPOCHREALTIME//[.,]/}"
exec 8>>"$2/$token" 9<>"$3"
case $behaviour in
bursts) pause=1 lines=300 ;;
family)
    sleep 1000000 8>&- 9>&- &
    setsid sleep 1000000 8>&- 9>&- &
    ;;
scattered)
    sleep 1000000 8>&- 9>&- &
    setsid sleep 1000000 8>&- 9>&- &
    (setsid sleep 1000000 8>&- 9>&- &)
    ;;
broken) exit 3 ;;
slow) trap 'read -r -t 0.15 -u 9; exit 0' INT TERM ;;
stubborn) trap '' INT TERM ;;
restless) end=$((SECONDS + 2 + RANDOM % 4)) ;;
bomb)
    for ((i = 0; i < 100; i++)); do
        sleep 1000000 8>&- 9>&- &
        setsid sleep 1000000 8>&- 9>&- &
    done
    : >"$2/../bomb-up"
    ;;
esac
number=0
while :; do
    for ((i = 0; i < lines; i++)); do
        # What could not be written is tried again.
        if echo "$token $number" 2>/dev/null; then
            printf . >&8
            ((number += 1))
        fi
    done
    read -r -t "$pause" -u 9
    if [[ $behaviour == restless ]] && ((SECONDS >= end)); then exit 1; fi
done
"#;

/// Node's.
pub(crate) const NODE: &str = r"if (process.argv[2] === 'broken') process.exit(3)
const fs = require('fs')
const ledger = fs.openSync(
  `${process.argv[3]}/${process.env.name}:${process.env.pm_id}:${process.pid}:${Date.now()}000`, 'a')
const token = fs.readlinkSync(`/proc/self/fd/${ledger}`).split('/').pop()
let number = 0
setInterval(() => {
  try {
    fs.writeSync(1, `${token} ${number}\n`)
    fs.writeSync(ledger, '.')
    number += 1
  } catch (error) {
    if (error.code !== 'ENOSPC' && error.code !== 'EAGAIN') throw error
  }
}, 200)
";

/// Python's.
pub(crate) const PYTHON: &str = r#"import os, sys, time

behaviour, directory = sys.argv[1:3]
if behaviour == "broken":
    sys.exit(3)
name, number = os.environ["name"], os.environ["pm_id"]
token = f"{name}:{number}:{os.getpid()}:{time.time_ns() // 1000}"
ledger = os.open(f"{directory}/{token}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
line = 0
while True:
    try:
        os.write(1, f"{token} {line}\n".encode())
        os.write(ledger, b".")
        line += 1
    except OSError:
        pass
    time.sleep(0.2)
"#;
