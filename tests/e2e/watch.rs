//! Files that restart apps when they change.

use std::fs;

use rpm_tests::{Puppet, Rpm, wait_until};

/// A project of its own below the working directory: the fixtures beside it belong to everybody.
fn project(rpm: &Rpm, attributes: &str) {
    rpm.script("app/run.sh", "echo run; exec sleep 1000000");
    rpm.write("app/src/a.js", "");
    rpm.write("eco.toml", &format!("[[apps]]\nname = 'web'\nscript = 'run.sh'\ncwd = 'app'\n{attributes}\n"));
    rpm.ok("start eco.toml");
}

/// Waits until the app has run this often.
#[track_caller]
fn has_run(rpm: &Rpm, times: usize) {
    wait_until(format!("{times} runs"), || rpm.log("web-out").lines().count() == times);
}

#[test]
fn a_change_restarts_all_instances() {
    let rpm = Rpm::new();
    project(&rpm, "watch = true\ninstances = 2\nmerge_logs = true");
    has_run(&rpm, 2);
    rpm.write("app/src/a.js", "changed");
    has_run(&rpm, 4);
    let list = rpm.jlist();
    assert!(list.iter().all(|entry| entry.restarts() == 1));
    assert!(rpm.log("rpm").contains("Change detected on path src/a.js for app web - restarting"));
}

#[test]
fn files_that_come_go_and_move_are_changes() {
    let rpm = Rpm::new();
    project(&rpm, "watch = true");
    has_run(&rpm, 1);
    rpm.write("app/new.js", "");
    has_run(&rpm, 2);
    fs::rename(rpm.path("app/new.js"), rpm.path("app/moved.js")).unwrap();
    has_run(&rpm, 3);
    fs::remove_file(rpm.path("app/moved.js")).unwrap();
    has_run(&rpm, 4);
    // A directory that came later is watched, too.
    fs::create_dir(rpm.path("app/later")).unwrap();
    has_run(&rpm, 5);
    rpm.write("app/later/b.js", "");
    has_run(&rpm, 6);
    fs::rename(rpm.path("app/later"), rpm.path("app/other")).unwrap();
    has_run(&rpm, 7);
    rpm.write("app/other/b.js", "changed");
    has_run(&rpm, 8);
}

#[test]
fn what_is_ignored_restarts_nothing() {
    let rpm = Rpm::new();
    for directory in ["node_modules/m", ".git", "src/.cache"] {
        fs::create_dir_all(rpm.path("app").join(directory)).unwrap();
    }
    project(&rpm, "watch = true");
    has_run(&rpm, 1);
    for file in ["node_modules/m/i.js", ".git/HEAD", ".env", "src/.cache/x", "src/a.js~"] {
        rpm.write(&format!("app/{file}"), "x");
    }
    fs::read(rpm.path("app/src/a.js")).unwrap();
    rpm.write("app/seen.js", "");
    has_run(&rpm, 2);
    let log = rpm.log("rpm");
    let changes: Vec<_> = log.lines().filter(|line| line.contains("Change detected")).collect();
    assert!(changes.len() == 1 && changes[0].contains("seen.js"), "{changes:?}");
}

#[test]
fn patterns_replace_what_is_ignored() {
    let rpm = Rpm::new();
    fs::create_dir_all(rpm.path("app/logs")).unwrap();
    project(&rpm, "watch = ['.']\nignore_watch = ['logs', '**/*.tmp']");
    has_run(&rpm, 1);
    rpm.write("app/logs/x", "");
    rpm.write("app/src/x.tmp", "");
    rpm.write("app/.env", "");
    has_run(&rpm, 2);
    assert!(rpm.log("rpm").contains("Change detected on path .env "), "{}", rpm.log("rpm"));
}

#[test]
fn only_the_named_paths_are_watched() {
    let rpm = Rpm::new();
    rpm.write("app/one.js", "");
    project(&rpm, "watch = ['one.js', 'src/*.js']");
    has_run(&rpm, 1);
    rpm.write("app/two.js", "");
    rpm.write("app/src/a.css", "");
    rpm.write("app/src/a.js", "changed");
    has_run(&rpm, 2);
    rpm.write("app/one.js", "changed");
    has_run(&rpm, 3);
    assert!(!rpm.log("rpm").contains("path two.js") && !rpm.log("rpm").contains("a.css"));
}

#[test]
fn own_logs_and_pid_files_are_no_changes() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'web'\nscript = './puppet.sh'\nargs = 'web.pipe'\nwatch = true\n\
         out_file = 'logs/out.log'\nerror_file = 'logs/error.log'\npid_file = 'web.pid'\n",
    );
    let puppet = Puppet::new(&rpm, "web");
    rpm.ok("start eco.toml");
    puppet.does("echo something");
    wait_until("the line", || rpm.read("logs/out.log") == "something\n");
    rpm.write("seen.js", "");
    wait_until("the restart", || rpm.entry("web").restarts() == 1);
    let log = rpm.log("rpm");
    let changes: Vec<_> = log.lines().filter(|line| line.contains("Change detected")).collect();
    assert!(changes.len() == 1 && changes[0].contains("seen.js"), "{changes:?}");
}

#[test]
fn a_failed_app_is_tried_again_when_its_files_change() {
    let rpm = Rpm::new();
    rpm.write("app/src/mode", "exit 1");
    rpm.script("app/run.sh", "echo run; . ./src/mode");
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'web'\nscript = 'run.sh'\ncwd = 'app'\nwatch = true\nmax_restarts = 2\n",
    );
    rpm.run("start eco.toml");
    wait_until("the failure", || rpm.entry("web").status() == "errored");
    rpm.write("app/src/mode", "exec sleep 1000000");
    wait_until("the good run", || rpm.entry("web").status() == "online");
}

#[test]
fn changes_while_it_gets_ready_are_not_lost() {
    let rpm = Rpm::new();
    let gate = Puppet::new(&rpm, "gate");
    rpm.write(
        "app/run.js",
        "const fs = require('fs'); console.log('run');\n\
         fs.open('../gate.pipe', 'r', (e, fd) => fs.read(fd, () => process.send('ready')));\n\
         setInterval(() => {}, 1e9);",
    );
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'web'\nscript = 'run.js'\ncwd = 'app'\nwatch = true\nwait_ready = true\n\
         listen_timeout = 600000\n",
    );
    let start = rpm.start("start eco.toml");
    wait_until("the first run", || rpm.log("web-out") == "run\n");
    rpm.write("app/data", "");
    wait_until("the change", || rpm.log("rpm").contains("Change detected on path data"));
    assert_eq!(rpm.entry("web").status(), "launching");
    gate.does("ready");
    start.output().ends_with(0);
    wait_until("the second run", || rpm.log("web-out") == "run\nrun\n");
    gate.does("ready");
    wait_until("it is up", || rpm.entry("web").status() == "online");
}

#[test]
fn a_stop_ends_watching_until_it_is_declared_again() {
    let rpm = Rpm::new();
    project(&rpm, "watch = true");
    has_run(&rpm, 1);
    assert_eq!(rpm.entry("web").get("watch"), &serde_json::Value::Bool(true));
    rpm.ok("stop web");
    assert_eq!(rpm.entry("web").get("watch"), &serde_json::Value::Bool(false));
    rpm.ok("restart web");
    has_run(&rpm, 2);
    rpm.write("app/src/a.js", "one");
    rpm.ok("start eco.toml");
    has_run(&rpm, 3);
    rpm.write("app/src/a.js", "two");
    has_run(&rpm, 4);
    assert_eq!(rpm.log("rpm").matches("Change detected").count(), 1);
}

#[test]
fn a_directory_that_goes_and_comes_back_is_watched_again() {
    let rpm = Rpm::new();
    project(&rpm, "watch = ['src']");
    has_run(&rpm, 1);
    fs::rename(rpm.path("app/src"), rpm.path("app/old")).unwrap();
    rpm.write("app/src/a.js", "");
    wait_until("the new directory", || rpm.log("rpm").contains("Change detected on path src"));
    let runs = rpm.log("web-out").lines().count();
    rpm.write("app/src/b.js", "");
    wait_until("a change there", || rpm.log("web-out").lines().count() > runs);
}

#[test]
fn what_is_not_there_cannot_be_watched() {
    let rpm = Rpm::new();
    let before = rpm.forever("good", "");
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'good'\nscript = 'forever.sh'\n\
         [[apps]]\nname = 'web'\nscript = 'forever.sh'\nwatch = ['nowhere']\n",
    );
    rpm.fails("start eco.toml").complains("app web: cannot watch").complains("nowhere");
    assert_eq!(rpm.entry("good").pid(), before.pid());
    assert_eq!(rpm.jlist().len(), 1);
}

#[test]
fn restart_toggles_watching() {
    let rpm = Rpm::new();
    project(&rpm, "watch = ['src']");
    has_run(&rpm, 1);
    rpm.ok("restart web --watch");
    has_run(&rpm, 2);
    rpm.write("app/src/a.js", "unseen");
    rpm.ok("restart web --watch");
    has_run(&rpm, 3);
    // What was declared is watched again, not everything.
    rpm.write("app/other.js", "");
    rpm.write("app/src/a.js", "seen");
    has_run(&rpm, 4);
    let log = rpm.log("rpm");
    assert!(log.matches("Change detected").count() == 1 && log.contains("path src/a.js"), "{log}");
}
