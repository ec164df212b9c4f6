//! The daemon dies while it works off a request for many processes: the next one does the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use rpm_tests::{
    Rpm,
    death::{Doomed, Limit},
    wait_until,
};

const APPS: usize = 12;

/// How far apart the places are, bytes of the journal: some twenty over a request.
const STEP: u64 = 450;

fn start(rpm: &Rpm, attributes: impl Fn(usize) -> String) {
    rpm.script("app.sh", "while :; do read -rt 60; done");
    // The journal is to be longer than all that the daemon writes beside it.
    let fill = "x".repeat(4000);
    let app = |number| {
        let attributes = attributes(number);
        format!(
            r#"{{"name": "a{number}", "script": "app.sh", "kill_timeout": 500, "env": {{"FILL": "{fill}"}} {attributes}}}"#
        )
    };
    let apps: Vec<String> = (0..APPS).map(app).collect();
    rpm.write("apps.json", &format!(r#"{{"apps": [{}]}}"#, apps.join(",")));
    rpm.ok("start apps.json");
    wait_until("all to run", || pids(rpm).len() == APPS);
}

/// The main processes of the apps that are online, by name.
fn pids(rpm: &Rpm) -> BTreeMap<String, i32> {
    let entries = rpm.jlist();
    let online = entries.iter().filter(|entry| entry.status() == "online");
    online.map(|entry| (entry.name().to_owned(), entry.pid())).collect()
}

fn journal(rpm: &Rpm) -> Vec<u8> {
    fs::read(rpm.home().join("state/journal")).unwrap_or_default()
}

/// Asks for `verb` of all while the daemon dies at one place of its journal after the other, and has `check` see what has
/// become of it each time that the daemon had noted what it was asked; `prepare` makes ready for the next place.
fn die_everywhere(rpm: &Rpm, verb: &str, prepare: impl Fn(), check: impl Fn(&BTreeMap<String, i32>)) {
    let mut deaths = 0;
    let word = verb.split(' ').next().unwrap_or_default();
    for place in 0.. {
        prepare();
        wait_until(format!("all to run at place {place}"), || pids(rpm).len() == APPS);
        let before = pids(rpm);
        let first = rpm.daemon().unwrap();
        let bytes = journal(rpm).len() as u64 + place * STEP;
        let doomed = Doomed::new(first, Limit { file: rpm.home().join("state/journal"), bytes });
        let is_done = rpm.run(verb).code == Some(0);
        if is_done && rpm.daemon() == Some(first) {
            drop(doomed);
            assert!(deaths >= 5, "it died at {deaths} places only");
            return;
        }
        rpm.wait_daemon_gone(first);
        let text = String::from_utf8_lossy(&journal(rpm)).into_owned();
        let was_noted = text.lines().any(|line| {
            let order = line.strip_prefix(r#"{"ordered":{"order":"#);
            order.is_some_and(|order| {
                order.trim_start_matches(['{', '"']).starts_with(word) && line.ends_with('}')
            })
        });
        rpm.ok("ping");
        if was_noted {
            deaths += 1;
            check(&before);
        }
    }
}

#[test]
fn the_rest_of_a_restart_follows() {
    let rpm = Rpm::new();
    start(&rpm, |_| String::new());
    die_everywhere(
        &rpm,
        "restart all",
        || {},
        |before| {
            wait_until("each to run again", || {
                let now = pids(&rpm);
                now.len() == APPS && now.iter().all(|(name, pid)| before.get(name) != Some(pid))
            });
            let mine: BTreeSet<i32> = pids(&rpm).into_values().collect();
            wait_until("one run of each", || rpm.children() == mine);
        },
    );
    rpm.ok("kill");
}

#[test]
fn the_rest_of_a_stop_follows_in_its_order() {
    let rpm = Rpm::new();
    // Each needs the one before it, and is stopped before that.
    let needs = |number: usize| match number.checked_sub(1) {
        Some(before) => format!(r#", "depends_on": ["a{before}"]"#),
        None => String::new(),
    };
    start(&rpm, needs);
    let prepare = || drop(rpm.ok("start all"));
    die_everywhere(&rpm, "stop all", prepare, |_| {
        wait_until("each to be stopped", || rpm.jlist().iter().all(|entry| entry.status() == "stopped"));
        assert!(rpm.children().is_empty());
    });
    rpm.ok("kill");
}

#[test]
fn the_rest_of_a_start_and_of_a_delete_follows() {
    let rpm = Rpm::new();
    start(&rpm, |_| String::new());
    let again = || drop(rpm.ok("start apps.json"));
    die_everywhere(&rpm, "delete all", again, |_| {
        wait_until("the list to be empty", || rpm.jlist().is_empty());
        assert!(rpm.children().is_empty());
    });
    // A start notes with each process that it is to run.
    for place in 1.. {
        rpm.run("delete all");
        let first = rpm.daemon().unwrap();
        let bytes = journal(&rpm).len() as u64 + place * 10 * STEP;
        let doomed = Doomed::new(first, Limit { file: rpm.home().join("state/journal"), bytes });
        let is_done = rpm.run("start apps.json").code == Some(0);
        drop(doomed);
        if is_done && rpm.daemon() == Some(first) {
            assert!(place >= 5, "it died at {place} places only");
            break;
        }
        rpm.wait_daemon_gone(first);
        rpm.ok("ping");
        let declared = rpm.jlist().len();
        wait_until(format!("all that were declared to run at place {place}"), || {
            pids(&rpm).len() == declared
        });
    }
    rpm.ok("kill");
}
