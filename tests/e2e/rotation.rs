//! Logs that are rotated while they are written to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rpm_tests::{Puppet, Raw, Rpm, wait_until};
use serde_json::{Value, json};

/// Writes the home's settings, and has a daemon that runs read them.
fn set(rpm: &Rpm, settings: &Value) {
    fs::create_dir_all(rpm.home()).unwrap();
    let file = json!({ "pm2-logrotate": settings });
    fs::write(rpm.home().join("module_conf.json"), file.to_string()).unwrap();
    if rpm.socket().exists() {
        assert_eq!(Raw::greet(rpm).ask(&json!("reload_settings")), ["end"]);
    }
}

/// What there is of a log: its archives, the oldest first, and itself.
fn parts(rpm: &Rpm, stem: &str) -> Vec<PathBuf> {
    let directory = rpm.home().join("logs");
    let mut archives: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{stem}__")))
        .collect();
    archives.sort_by_key(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().replace(".gz", "");
        let number =
            name.trim_end_matches(".log").rsplit_once('.').and_then(|(_, number)| number.parse().ok());
        number.unwrap_or(0_u32)
    });
    archives.push(directory.join(format!("{stem}.log")));
    archives
}

fn text(path: &Path) -> String {
    if path.extension().is_some_and(|extension| extension == "gz") {
        let output = Command::new("gzip").arg("-dc").arg(path).output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
        return String::from_utf8(output.stdout).unwrap();
    }
    fs::read_to_string(path).unwrap_or_default()
}

/// All lines of a log, wherever they are; each file has whole lines.
fn lines(rpm: &Rpm, stem: &str) -> Vec<String> {
    let texts = parts(rpm, stem).into_iter().map(|path| text(&path));
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| !line.trim().is_empty()).collect()
}

/// An app writes numbered lines as fast as it can, and its log is rotated at least 25 times meanwhile.
fn rotated_meanwhile(options: &str, prefix: &str) {
    const ROUND: usize = 10_000;
    let rpm = Rpm::new();
    // The names are all of one date, so that their numbers tell the order.
    set(&rpm, &json!({ "max_size": "40K", "retain": "all", "dateFormat": "[D]", "max_total": "none" }));
    let puppet = Puppet::start(&rpm, "web", options);
    let mut client = Raw::greet(&rpm);
    for round in 0..25 {
        let before = parts(&rpm, "web-out").len();
        puppet.does(&format!("seq -f 'line %.0f' {} {}", round * ROUND + 1, (round + 1) * ROUND));
        wait_until(format!("rotation {round}"), || {
            // Each time the sizes are looked at.
            assert_eq!(client.ask(&json!("reload_settings")), ["end"]);
            parts(&rpm, "web-out").len() > before
        });
    }
    let expected: Vec<_> = (1..=25 * ROUND).map(|number| format!("{prefix}line {number}")).collect();
    wait_until("every line, once", || lines(&rpm, "web-out") == expected);
}

#[test]
fn every_line_of_a_direct_log_is_there_once() {
    rotated_meanwhile("", "");
}

#[test]
fn every_line_of_a_pumped_log_is_there_once() {
    rotated_meanwhile("--log-date-format [at]", "at: ");
}

/// An app writes numbered lines, and one daemon after the other dies over them.
fn rotated_by_daemons_that_die(options: &str, prefix: &str) {
    const ROUND: usize = 10_000;
    const DEATHS: usize = 12;
    let rpm = Rpm::new();
    set(&rpm, &json!({ "max_size": "40K", "retain": "all", "dateFormat": "[D]", "max_total": "none" }));
    let puppet = Puppet::start(&rpm, "web", options);
    for round in 0..DEATHS {
        let before = parts(&rpm, "web-out").len();
        puppet.does(&format!("seq -f 'line %.0f' {} {}", round * ROUND + 1, (round + 1) * ROUND));
        let look = || assert_eq!(Raw::greet(&rpm).ask(&json!("reload_settings")), ["end"]);
        match round % 3 {
            // As it begins to look at the log, which is being written.
            0 => look(),
            // As it begins to rotate.
            1 => {
                let log = rpm.home().join("logs/web-out.log");
                wait_until("a full log", || fs::metadata(&log).is_ok_and(|log| log.len() > 40 << 10));
                look();
            }
            // As soon as there is an archive.
            _ => wait_until("an archive", || {
                look();
                parts(&rpm, "web-out").len() > before
            }),
        }
        rpm.lose_daemon();
        rpm.ok("list");
    }
    let expected: Vec<_> = (1..=DEATHS * ROUND).map(|number| format!("{prefix}line {number}")).collect();
    wait_until("every line, once", || lines(&rpm, "web-out") == expected);
}

#[test]
fn every_line_of_a_direct_log_survives_daemons_that_die_over_its_rotation() {
    rotated_by_daemons_that_die("", "");
}

#[test]
fn every_line_of_a_pumped_log_survives_daemons_that_die_over_its_rotation() {
    rotated_by_daemons_that_die("--log-date-format [at]", "at: ");
}

#[test]
fn who_follows_a_log_sees_each_line_once() {
    let rpm = Rpm::new();
    set(&rpm, &json!({ "max_size": "20K", "dateFormat": "[D]" }));
    let puppet = Puppet::start(&rpm, "web", "");
    let follower = rpm.start("logs web --raw --lines 0");
    // It follows from the moment that this is shown.
    wait_until("the first line", || {
        puppet.does("echo begin");
        follower.stdout().contains("begin\n")
    });
    for round in 0..20 {
        puppet.does(&format!("seq -f 'line %.0f' {} {}", round * 3000 + 1, (round + 1) * 3000));
        wait_until(format!("rotation {round}"), || {
            assert_eq!(Raw::greet(&rpm).ask(&json!("reload_settings")), ["end"]);
            rpm.log("rpm").matches("web-out.log rotated").count() > round
        });
    }
    puppet.does("echo end");
    follower.shows("end\n");
    let shown = follower.stdout();
    let numbered = shown.lines().filter(|line| line.starts_with("line "));
    let expected = (1..=60_000).map(|number| format!("line {number}"));
    assert!(numbered.eq(expected), "{} lines", shown.lines().count());
}

#[test]
fn a_log_is_rotated_by_itself_when_it_is_full() {
    let rpm = Rpm::new();
    set(&rpm, &json!({ "max_size": "40K", "dateFormat": "[D]", "workerInterval": "1" }));
    let puppet = Puppet::start(&rpm, "web", "");
    puppet.does("seq 20000");
    wait_until("the archive", || rpm.home().join("logs/web-out__D.log").exists());
    wait_until("the rest", || fs::metadata(rpm.home().join("logs/web-out.log")).unwrap().len() < 8192);
    // And once more.
    puppet.does("seq 20001 40000");
    wait_until("the next archive", || rpm.home().join("logs/web-out__D.1.log").exists());
    assert_eq!(lines(&rpm, "web-out").len(), 40_000);
}

#[test]
fn so_many_are_kept_and_compressed() {
    let rpm = Rpm::new();
    set(
        &rpm,
        &json!({ "max_size": "10K", "dateFormat": "[D]", "retain": "2", "compress": "true", "workerInterval": 1 }),
    );
    let puppet = Puppet::start(&rpm, "web", "--log-date-format [at]");
    for round in 0..4 {
        puppet.does(&format!("seq -f '{round} %.0f' 5000"));
        let suffix = if round == 0 { String::new() } else { format!(".{round}") };
        let archive = rpm.home().join(format!("logs/web-out__D{suffix}.log.gz"));
        wait_until(format!("archive {round}"), || archive.exists() && rpm.log("web-out").is_empty());
    }
    wait_until("two archives", || parts(&rpm, "web-out").len() == 3);
    let texts: Vec<_> = parts(&rpm, "web-out").iter().map(|path| text(path)).collect();
    assert!(texts[0].starts_with("at: 2 1\n") && texts[0].ends_with("at: 2 5000\n"));
    assert!(texts[1].starts_with("at: 3 1\n") && texts[1].ends_with("at: 3 5000\n"));
}

#[test]
fn all_together_have_a_budget() {
    let rpm = Rpm::new();
    set(&rpm, &json!({ "max_size": "20K", "dateFormat": "[D]", "max_total": "100K", "workerInterval": 1 }));
    let names = ["one", "two", "three"];
    let puppets: Vec<_> = names.iter().map(|name| Puppet::start(&rpm, name, "")).collect();
    for round in 0..3 {
        for (name, puppet) in names.iter().zip(&puppets) {
            puppet.does("seq -w 10000");
            wait_until(format!("rotation {round} of {name}"), || {
                let log = fs::metadata(rpm.home().join(format!("logs/{name}-out.log"))).unwrap();
                log.len() < 8192
                    && rpm.log("rpm").matches(&format!("{name}-out.log rotated")).count() == round + 1
            });
        }
    }
    wait_until("the budget", || {
        let sizes = fs::read_dir(rpm.home().join("logs")).unwrap().map(|entry| entry.unwrap());
        let archives = sizes.filter(|entry| entry.file_name().to_string_lossy().contains("__"));
        archives.map(|entry| entry.metadata().map_or(0, |meta| meta.len())).sum::<u64>() <= 100 << 10
    });
    // The newest are there.
    assert!(parts(&rpm, "three-out").len() > 1);
}

#[test]
fn settings_that_cannot_be_read_change_nothing() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    fs::write(rpm.home().join("module_conf.json"), r#"{ "pm2-logrotate": { "max_size": "#).unwrap();
    let replies = Raw::greet(&rpm).ask(&json!("reload_settings"));
    assert!(replies[0]["failed"]["io"].as_str().unwrap().contains("module_conf.json"), "{replies:?}");
    assert_eq!(rpm.entry("web").status(), "online");
}

#[test]
fn a_pumped_log_that_was_removed_comes_back() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "--log-date-format [at]");
    puppet.does("echo one");
    wait_until("a line", || rpm.log("web-out") == "at: one\n");
    fs::remove_file(rpm.home().join("logs/web-out.log")).unwrap();
    puppet.does("echo two");
    wait_until("the next line", || rpm.log("web-out") == "at: two\n");
}

#[test]
fn reload_logs_opens_moved_logs_anew() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "--log-date-format [at]");
    let logs = rpm.home().join("logs");
    puppet.does("echo one");
    wait_until("a line", || rpm.log("web-out") == "at: one\n");
    fs::rename(logs.join("web-out.log"), logs.join("web-out.log.1")).unwrap();
    assert_eq!(Raw::greet(&rpm).ask(&json!("reload_logs")), ["end"]);
    wait_until("the new file", || logs.join("web-out.log").exists());
    puppet.does("echo two");
    wait_until("the next line", || rpm.log("web-out") == "at: two\n");
    assert_eq!(fs::read_to_string(logs.join("web-out.log.1")).unwrap(), "at: one\n");
}

#[test]
fn reload_logs_gives_a_direct_log_its_name_back() {
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "");
    let logs = rpm.home().join("logs");
    let moved = logs.join("web-out.log.1");
    puppet.does("echo one");
    wait_until("a line", || rpm.log("web-out") == "one\n");
    fs::rename(logs.join("web-out.log"), &moved).unwrap();
    rpm.ok("reloadLogs");
    assert_eq!(fs::read_to_string(&moved).unwrap(), "one\n");
    puppet.does("echo two");
    wait_until("the next line", || rpm.log("web-out").trim() == "two");
    // As logrotate does with `create`.
    fs::rename(logs.join("web-out.log"), logs.join("web-out.log.2")).unwrap();
    fs::write(logs.join("web-out.log"), "").unwrap();
    rpm.ok("reloadLogs");
    puppet.does("echo three");
    wait_until("the third line", || rpm.log("web-out").trim() == "three");
    assert_eq!(fs::read_to_string(logs.join("web-out.log.2")).unwrap().trim(), "two");
    // Of one that was removed nothing can be had back, and that is said.
    fs::remove_file(logs.join("web-out.log")).unwrap();
    let said = rpm.ok("reloadLogs");
    assert!(format!("{said}").contains("web-out.log is not opened anew: the file was removed"), "{said}");
}

#[test]
fn a_direct_log_that_is_moved_under_a_fast_writer_loses_nothing() {
    const ROUND: usize = 5_000;
    let rpm = Rpm::new();
    let puppet = Puppet::start(&rpm, "web", "");
    let logs = rpm.home().join("logs");
    let mut files = Vec::new();
    for round in 0..6 {
        puppet.does(&format!("seq -f 'line %.0f' {} {}", round * ROUND + 1, (round + 1) * ROUND));
        // Somewhere in the middle of it.
        let moved = logs.join(format!("web-out.log-{round}"));
        wait_until("some lines", || fs::metadata(logs.join("web-out.log")).is_ok_and(|log| log.len() > 0));
        fs::rename(logs.join("web-out.log"), &moved).unwrap();
        rpm.ok("reloadLogs");
        files.push(moved);
    }
    files.push(logs.join("web-out.log"));
    let expected: Vec<_> = (1..=6 * ROUND).map(|number| format!("line {number}")).collect();
    wait_until("every line, once", || {
        let all: String = files.iter().map(|path| text(path)).collect();
        all.lines().filter(|line| !line.trim().is_empty()).eq(&expected)
    });
}
