//! Names that people should not give, and do.

use std::{fs, path::Path};

use rpm_tests::Rpm;

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
        ("ünï", "-n-"),
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
