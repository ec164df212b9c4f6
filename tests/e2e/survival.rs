//! The daemon is killed: the next one goes on where it was, and nothing is lost, nobody runs twice.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
};

use nix::{
    sys::{signal::Signal, stat::Mode},
    unistd::mkfifo,
};
use rpm_tests::{Rpm, signal, wait_for, wait_until};

fn journal(rpm: &Rpm) -> String {
    fs::read_to_string(rpm.home().join("state/journal")).unwrap()
}

/// The same in the first format, whose lines have no sums: they can be changed.
fn in_first_format(journal: &str) -> String {
    let plain = |line: &str| match line.rsplit_once(",\"sum\":") {
        Some((record, _)) => format!("{record}}}\n"),
        None => panic!("a line without a sum: {line}"),
    };
    journal.lines().map(plain).collect::<String>().replacen("\"format\":2", "\"format\":1", 1)
}

fn set_journal(rpm: &Rpm, text: &str) {
    fs::write(rpm.home().join("state/journal"), text).unwrap();
}

#[test]
fn the_next_daemon_takes_over_what_runs() {
    let rpm = Rpm::new();
    rpm.forever("web", "--namespace front");
    rpm.ok("start forever.sh --name two -i 2");
    rpm.ok("restart web");
    rpm.forever("resting", "");
    rpm.ok("stop resting");
    let facts = |rpm: &Rpm| {
        let list = rpm.jlist();
        let fact = |entry: &rpm_tests::Entry| {
            let uptime = entry.number("pm_uptime");
            (
                entry.id(),
                entry.name().to_owned(),
                entry.pid(),
                entry.status().to_owned(),
                entry.restarts(),
                uptime,
            )
        };
        list.iter().map(fact).collect::<Vec<_>>()
    };
    let before = facts(&rpm);
    let processes = rpm.children();
    let old = rpm.lose_daemon();
    assert_eq!(rpm.children(), processes, "they outlive the daemon");
    // Even a verb that only looks finds them.
    assert_eq!(facts(&rpm), before);
    assert_eq!(rpm.children(), processes);
    assert_ne!(rpm.daemon(), Some(old));
    // And new ones are numbered on.
    assert_eq!(rpm.forever("later", "").id(), 4);
}

#[test]
fn what_was_taken_over_is_stopped_with_its_whole_tree() {
    let rpm = Rpm::new();
    rpm.ok("start family.js --name family --kill-timeout 300");
    let family = wait_for("six processes", || Some(rpm.children()).filter(|all| all.len() == 6));
    rpm.lose_daemon();
    rpm.ok("restart family");
    let renewed = wait_for("six others", || Some(rpm.children()).filter(|all| all.len() == 6));
    assert!(family.is_disjoint(&renewed), "{family:?} {renewed:?}");
    rpm.lose_daemon();
    rpm.ok("delete all");
    assert!(rpm.children().is_empty(), "{:?}", rpm.children());
}

#[test]
fn kill_finds_what_a_dead_daemon_left() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.lose_daemon();
    rpm.ok("kill").says("All Applications Stopped");
    wait_until("all to end", || rpm.processes().is_empty());
    assert!(!rpm.home().join("state/journal").exists(), "an end in good order leaves no journal");
    assert!(rpm.jlist().is_empty());
    assert!(rpm.daemon().is_none(), "and no daemon is started to look");
}

#[test]
fn what_was_taken_over_is_restarted_when_it_ends() {
    let rpm = Rpm::new();
    let before = rpm.forever("web", "");
    rpm.lose_daemon();
    rpm.ok("list");
    signal(before.pid(), Signal::SIGKILL);
    wait_until("its end to be told", || rpm.log("rpm").contains("[web:0] exited with "));
    let told = rpm.log("rpm");
    // Newer kernels tell how; of older ones nobody but its parent would know.
    assert!(told.contains("exited with signal SIGKILL") || told.contains("exited with unknown"), "{told}");
    let after = rpm.wait_where("web", "restarted", |entry| entry.restarts() == 1 && entry.pid() != 0);
    assert_ne!(after.pid(), before.pid());
    assert_eq!(rpm.children(), BTreeSet::from([after.pid()]));
}

#[test]
fn what_ended_unseen_is_treated_by_its_rules() {
    let rpm = Rpm::new();
    let service = rpm.forever("service", "");
    let task = rpm.forever("task", "--no-autorestart");
    rpm.lose_daemon();
    for pid in [service.pid(), task.pid()] {
        signal(pid, Signal::SIGKILL);
    }
    wait_until("both to end", || rpm.children().is_empty());
    let service = rpm.wait_where("service", "online again", |entry| entry.pid() != 0);
    assert_eq!((service.status(), service.restarts()), ("online", 1));
    assert_eq!(rpm.entry("task").status(), "stopped");
    assert!(rpm.log("rpm").contains("App [task:1] exited with unknown"), "{}", rpm.log("rpm"));
}

#[test]
fn a_stop_that_was_under_way_is_finished() {
    let rpm = Rpm::new();
    rpm.script("slow.sh", "#!/bin/bash\ntrap ': > asked' INT\n: > up\nwhile :; do sleep 0.05; done\n");
    rpm.ok("start slow.sh --kill-timeout 60000");
    wait_until("it to be up", || rpm.path("up").exists());
    let stop = rpm.start("delete slow");
    wait_until("it to be asked", || rpm.path("asked").exists());
    rpm.lose_daemon();
    assert_ne!(stop.output().code, Some(0), "nobody can say that it is done");
    fs::remove_file(rpm.path("asked")).unwrap();
    // Somebody needs a daemon again.
    assert_eq!(rpm.entry("slow").status(), "stopping");
    wait_until("it to be asked again", || rpm.path("asked").exists());
    let pid = rpm.entry("slow").pid();
    signal(pid, Signal::SIGKILL);
    wait_until("it to be forgotten", || rpm.jlist().is_empty());
}

#[test]
fn what_a_dead_app_has_left_is_taken_for_no_run_of_it() {
    let rpm = Rpm::new();
    rpm.ok("start family.js --name family --kill-timeout 300");
    let family = wait_for("six processes", || Some(rpm.children()).filter(|all| all.len() == 6));
    let before = rpm.entry("family").pid();
    rpm.lose_daemon();
    signal(before, Signal::SIGKILL);
    let after = rpm.wait_where("family", "restarted", |entry| entry.restarts() == 1 && entry.pid() != 0);
    assert!(!family.contains(&after.pid()), "{} was there before", after.pid());
    // What is left of the one before ends with it.
    rpm.ok("stop family");
    assert!(rpm.children().is_empty(), "{:?}", rpm.children());
}

#[test]
fn a_stop_of_which_only_the_main_process_has_ended_is_finished() {
    let rpm = Rpm::new();
    rpm.script(
        "half.sh",
        "#!/bin/bash\n(trap '' INT; exec sleep 1000000) &\n: > up\nwhile :; do read -rt 1; done\n",
    );
    rpm.ok("start half.sh --kill-timeout 1000");
    wait_until("it to be up", || rpm.path("up").exists());
    let main = rpm.entry("half").pid();
    let stop = rpm.start("stop half");
    wait_until("its main process to end", || !rpm.children().contains(&main));
    rpm.lose_daemon();
    drop(stop.output());
    rpm.wait_status("half", "stopped");
    assert!(rpm.children().is_empty(), "{:?}", rpm.children());
}

#[test]
fn a_run_that_was_not_noted_is_found() {
    let rpm = Rpm::new();
    let before = rpm.forever("web", "");
    // And again by the next daemon, whose note of it is lost like the first one.
    for _ in 0..3 {
        rpm.lose_daemon();
        // As if the daemon had died right after the spawn.
        let text = journal(&rpm);
        let noted = text.lines().last().unwrap();
        assert!(noted.contains(&format!("\"pid\":{}", before.pid())), "{noted}");
        let lives = text.lines().filter(|line| line.starts_with("{\"life\"")).count();
        if lives > 1 {
            set_journal(&rpm, text.strip_suffix(&format!("{noted}\n")).unwrap());
        }
        let after = rpm.wait_status("web", "online");
        assert_eq!((after.pid(), after.restarts()), (before.pid(), 0));
        assert_eq!(rpm.children(), BTreeSet::from([before.pid()]));
    }
}

#[test]
fn a_declaration_whose_first_life_is_lost_is_no_loss() {
    let rpm = Rpm::new();
    let before = rpm.forever("web", "");
    rpm.lose_daemon();
    let text = journal(&rpm);
    let kept: String = text.split_inclusive('\n').filter(|line| !line.starts_with("{\"life\"")).collect();
    assert_ne!(kept, text);
    set_journal(&rpm, &kept);
    let after = rpm.wait_status("web", "online");
    assert_eq!((after.pid(), after.restarts()), (before.pid(), 0));
    assert_eq!(rpm.children(), BTreeSet::from([before.pid()]));
}

#[test]
fn a_stranger_with_the_same_pid_is_left_alone() {
    let rpm = Rpm::new();
    let ours = rpm.forever("web", "--no-autorestart");
    rpm.lose_daemon();
    signal(ours.pid(), Signal::SIGKILL);
    wait_until("it to end", || rpm.children().is_empty());
    let mut stranger = std::process::Command::new("sleep").arg("1000000").spawn().unwrap();
    let pid = stranger.id();
    let journal = in_first_format(&journal(&rpm));
    set_journal(&rpm, &journal.replace(&format!("\"pid\":{}", ours.pid()), &format!("\"pid\":{pid}")));
    assert_eq!(rpm.entry("web").status(), "stopped");
    rpm.ok("delete all");
    assert!(stranger.try_wait().unwrap().is_none(), "a process that is not ours was ended");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

/// Kills the daemon again and again while `app` writes; gives the numbers of the lines in its log.
fn numbers_after_deaths(rpm: &Rpm, lines: usize, deaths: usize) -> Vec<usize> {
    let log = || rpm.entry("count").log("out");
    for death in 1..=deaths {
        // Spread over all that it writes.
        wait_until("it to have written more", || log().lines().count() >= lines * death / (deaths + 1));
        rpm.lose_daemon();
        rpm.ok("ping");
    }
    wait_until("all lines", || log().lines().count() >= lines);
    let number = |line: &str| line.rsplit(' ').next().unwrap().parse().unwrap();
    log().lines().map(number).collect()
}

/// Writes lines until it was told often enough, in bursts that are cut anywhere.
const COUNT: &str = "const fs = require('fs');\nlet text = '';\nfor (let i = 0; i < 200000; i++) text += `line ${i}\\n`;\n\
                     let at = 0; while (at < text.length) at += fs.writeSync(1, text.slice(at, at + 50021));\n\
                     setInterval(() => {}, 1e9);\n";

#[test]
fn dated_lines_arrive_once_each() {
    let rpm = Rpm::new();
    rpm.write("count.js", COUNT);
    rpm.ok("start count.js --time");
    let numbers = numbers_after_deaths(&rpm, 200_000, 6);
    assert!(numbers.iter().copied().eq(0..200_000), "{} lines", numbers.len());
    let is_dated = |line: &str| line.len() > 25 && line.matches('T').count() == 1;
    assert!(rpm.entry("count").log("out").lines().all(is_dated), "a date in the middle of a line");
}

#[test]
fn a_journal_of_a_newer_version_is_refused_and_nothing_touched() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let processes = rpm.children();
    rpm.lose_daemon();
    let good = journal(&rpm);
    let (header, records) = good.split_once('\n').unwrap();
    let boot = header.split('"').find(|word| word.len() == 36).unwrap();
    let newer = format!("{{\"header\":{{\"format\":99,\"boot\":\"{boot}\",\"more\":[]}}}}\n{records}");
    set_journal(&rpm, &newer);
    rpm.fails("start forever.sh --name other").complains("format 99").complains("newer rpm");
    assert_eq!((rpm.children(), journal(&rpm)), (processes.clone(), newer));
    set_journal(&rpm, &good);
    assert_eq!(rpm.statuses(), ["web:online"]);
    assert_eq!(rpm.children(), processes);
}

#[test]
fn damaged_records_cost_only_themselves() {
    let rpm = Rpm::new();
    rpm.forever("a", "");
    rpm.forever("b", "");
    let processes = rpm.children();
    rpm.lose_daemon();
    let text = journal(&rpm);
    set_journal(&rpm, &format!("{text}{{\"life\": nonsense\n\0\0\0\n{{\"forgotten\":{{\"id\":1}}"));
    assert_eq!(rpm.statuses(), ["a:online", "b:online"]);
    assert_eq!(rpm.children(), processes);
    assert!(rpm.home().join("state/journal.damaged").exists());
    rpm.lose_daemon();
    set_journal(&rpm, "no journal at all\n");
    // The processes live, but who they are is lost; nothing is done to them.
    rpm.ok("start forever.sh --name c");
    assert_eq!(rpm.statuses(), ["c:online"]);
    assert!(rpm.children().is_superset(&processes));
    for pid in processes {
        signal(pid, Signal::SIGKILL);
    }
}

#[test]
fn the_daemons_of_many_deaths_leave_one_of_each() {
    let rpm = Rpm::new();
    rpm.ok("start forever.sh --name many -i 8");
    for round in 0..5 {
        let verb = rpm.start(if round % 2 == 0 { "restart many" } else { "start forever.sh --name more -f" });
        rpm.lose_daemon();
        drop(verb.output());
        rpm.ok("list");
        wait_until("all to be online", || rpm.statuses().iter().all(|status| status.ends_with(":online")));
        let known: BTreeSet<_> = rpm.jlist().iter().map(rpm_tests::Entry::pid).collect();
        assert_eq!(rpm.children(), known, "{}", rpm.log("rpm"));
    }
}

#[test]
fn a_daemon_that_can_write_neither_its_log_nor_its_pid_goes_on() {
    let rpm = Rpm::new();
    let (log, pid) = (rpm.home().join("rpm.log"), rpm.home().join("rpm.pid"));
    DirBuilder::new().mode(0o700).create(rpm.home()).unwrap();
    fs::create_dir(&pid).unwrap();
    mkfifo(&log, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let reader = File::options().read(true).write(true).open(&log).unwrap();
    let before = rpm.forever("web", "");
    let daemon = || -> Vec<i32> { rpm.processes().difference(&rpm.children()).copied().collect() };
    let first = daemon();
    assert_eq!(first.len(), 1);
    // From here on whoever writes there is refused.
    fs::remove_file(&log).unwrap();
    drop(reader);
    rpm.ok("restart web");
    assert_ne!(rpm.entry("web").pid(), before.pid());
    assert_eq!(daemon(), first);
    fs::remove_dir(&pid).unwrap();
}
