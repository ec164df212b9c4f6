//! Names that people should not give, and do.

use std::{collections::BTreeSet, fs, path::Path};

use rpm_tests::{Rpm, wait_until};

/// All files below a directory.
fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn no_name_reaches_another_directory() {
    let rpm = Rpm::new();
    for (name, stem) in [
        ("../../escape", "..-..-escape"),
        ("/etc/passwd", "-etc-passwd"),
        ("a/b", "a-b"),
        ("..", ".."),
        ("a\nb", "a-b"),
        ("ünï", "ünï"),
    ] {
        rpm.ok(["start", "forever.sh", "--name", name]);
        let entry = rpm.entry(name);
        let logs = rpm.home().join("logs");
        assert_eq!(Path::new(entry.text("pm_out_log_path")), logs.join(format!("{stem}-out.log")));
        assert!(logs.join(format!("{stem}-error.log")).is_file());
        let pid_file = rpm.home().join(format!("pids/{stem}-{}.pid", entry.id()));
        assert_eq!(Path::new(entry.text("pm_pid_path")), pid_file);
        rpm.ok(["stop", name]);
        assert_eq!(rpm.entry(name).status(), "stopped");
        rpm.ok(["delete", name]);
        assert!(rpm.jlist().is_empty());
    }
    let outside = files(rpm.home().parent().unwrap());
    assert!(
        outside.iter().all(|path| !path.contains("escape") || path.starts_with(rpm.home().to_str().unwrap())),
        "{outside:?}"
    );
}

/// Pairs of a namespace and a name that are told apart by what a cleaned name would lose.
const ALIKE: [(&str, &str); 9] = [
    ("default", "日本"),
    ("default", "中国"),
    ("default", "a b"),
    ("default", "a-b"),
    ("default", "a_b"),
    ("default", "api"),
    ("web", "api"),
    ("shop", "api"),
    ("default", "api@web"),
];

/// Starts an app that writes its namespace and name into its log, for each of [`ALIKE`].
fn start_alike(rpm: &Rpm) {
    rpm.script("who.sh", "#!/bin/sh\necho \"$namespace/$name\"\nexec sleep 1000000\n");
    for (namespace, name) in ALIKE {
        rpm.ok(["start", "who.sh", "--name", name, "--namespace", namespace, "--force"]);
    }
}

#[test]
fn no_two_apps_share_a_file() {
    let rpm = Rpm::new();
    start_alike(&rpm);
    let list = rpm.jlist();
    for key in ["pm_out_log_path", "pm_err_log_path", "pm_pid_path"] {
        let paths: BTreeSet<_> = list.iter().map(|entry| entry.text(key)).collect();
        assert_eq!(paths.len(), ALIKE.len(), "{paths:?}");
    }
    for entry in list {
        let whose = format!("{}/{}\n", entry.text("namespace"), entry.name());
        wait_until("it has written", || !entry.log("out").is_empty());
        assert_eq!(entry.log("out"), whose);
    }
    // What one of them writes is emptied alone.
    rpm.ok(["flush", "a b"]);
    assert_eq!((rpm.log("a-b-out").as_str(), rpm.log("a-b@default-out").as_str()), ("", "default/a-b\n"));
    assert_eq!(rpm.log("日本-out"), "default/日本\n");
    // Names stay what they are when the daemon dies, and in a list that was saved.
    let paths =
        || rpm.jlist().iter().map(|entry| entry.text("pm_out_log_path").to_owned()).collect::<Vec<_>>();
    let before = paths();
    rpm.lose_daemon();
    assert_eq!(paths(), before);
    rpm.ok("save");
    rpm.ok("kill");
    rpm.ok("resurrect");
    assert_eq!(paths(), before);
}

#[test]
fn apps_of_an_earlier_version_keep_their_files() {
    let rpm = Rpm::new();
    start_alike(&rpm);
    rpm.ok("save");
    rpm.ok("kill");
    let dump = rpm.home().join("dump.rpm");
    let text = fs::read_to_string(&dump).unwrap();
    let earlier: String = text.lines().filter(|line| !line.contains("\"naming\"")).collect();
    assert_ne!(text.lines().collect::<String>(), earlier);
    fs::write(&dump, earlier).unwrap();
    rpm.ok("resurrect");
    let keep_theirs = || {
        let list = rpm.jlist();
        let path =
            |name: &str| list.iter().find(|entry| entry.name() == name).unwrap().text("pm_out_log_path");
        let logs = rpm.home().join("logs");
        assert_eq!(Path::new(path("a b")), logs.join("a-b-out.log"));
        assert_eq!(Path::new(path("日本")), logs.join("---out.log"));
        for entry in list.iter().filter(|entry| entry.name() == "api") {
            assert_eq!(Path::new(entry.text("pm_out_log_path")), logs.join("api-out.log"));
        }
    };
    keep_theirs();
    rpm.ok(["restart", "a b"]);
    rpm.ok(["scale", "日本", "2"]);
    keep_theirs();
    rpm.lose_daemon();
    keep_theirs();
    rpm.ok("save");
    rpm.ok("kill");
    rpm.ok("resurrect");
    keep_theirs();
}

#[test]
fn no_name_acts_on_the_terminal() {
    let rpm = Rpm::new();
    let name = "evil\u{1b}[2J\u{7}\nTAIL";
    let started = rpm.ok(["start", "forever.sh", "--name", name, "--namespace", "sp\u{1b}[31mace"]);
    let mut outputs = vec![started];
    for line in ["list", "describe 0", "list -m", "logs --nostream", "stop 0", "restart 0", "stop nobody"] {
        outputs.push(rpm.run(line));
    }
    outputs.push(rpm.run(["stop", "un\u{1b}known"]));
    outputs.push(rpm.run(["start", "un\u{1b}known"]));
    for output in outputs {
        for text in [&output.stdout, &output.stderr] {
            assert!(!text.contains(['\u{1b}', '\u{7}']), "{output}");
        }
        assert!(output.stdout.lines().all(|line| !line.starts_with("TAIL")), "{output}");
    }
    assert_eq!(rpm.entry(name).text("namespace"), "sp\u{1b}[31mace", "programs get it as it is");
    assert!(!rpm.log("rpm").contains('\u{1b}'));
}

#[test]
fn a_name_may_be_long() {
    let rpm = Rpm::new();
    let name = "n".repeat(5000);
    rpm.ok(["start", "forever.sh", "--name", &name]);
    assert_eq!(rpm.entry(&name).status(), "online");
    assert!(rpm.ok("list").stdout.lines().all(|line| line.len() < 2000));
    rpm.ok(["delete", &name]);
}

#[test]
fn a_name_may_look_like_something_else() {
    let rpm = Rpm::new();
    for name in ["0", "all", "--help", "-1"] {
        rpm.ok(["start", "forever.sh", &format!("--name={name}"), "--force"]);
    }
    // A number is tried as a name first, as in PM2.
    rpm.ok("delete 0");
    assert_eq!(rpm.jlist().len(), 3);
    rpm.ok("delete all");
    assert!(rpm.jlist().is_empty());
}
