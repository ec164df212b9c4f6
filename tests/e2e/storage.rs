//! A file system that takes nothing: full, over quota, mounted read-only.

use std::{fs, path::Path, process::Command};

use rpm_tests::{Rpm, wait_until};

/// Sets how large the files may become that a process writes.
fn limit_files(pid: i32, limit: &str) {
    let args = [format!("--pid={pid}"), format!("--fsize={limit}:")];
    assert!(Command::new("prlimit").args(args).status().expect("it is part of util-linux").success());
}

/// A directory mounted onto itself, read-only for what is opened from then on, until this value is dropped.
struct ReadOnly<'a>(&'a Path);

impl<'a> ReadOnly<'a> {
    /// `None` where this user may not mount.
    fn mount(directory: &'a Path) -> Option<Self> {
        let mount = |args: &[&str]| {
            Command::new("mount")
                .args(args)
                .arg(directory)
                .output()
                .is_ok_and(|output| output.status.success())
        };
        if !mount(&["--bind", directory.to_str()?]) {
            return None;
        }
        let mounted = Self(directory);
        mount(&["-o", "remount,bind,ro"]).then_some(mounted)
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} is still mounted", self.0.display());
    }
}

#[test]
fn a_process_that_the_journal_cannot_take_is_not_started_until_it_can() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let daemon = rpm.daemon().unwrap();
    let journal = fs::metadata(rpm.home().join("state/journal")).unwrap().len();
    limit_files(daemon, &journal.to_string());
    let refused = rpm.run("start forever.sh --name second");
    refused.ends_with(1);
    assert!(refused.stderr.contains("state/journal: File too large"), "{refused:?}");
    // What is declared already is still cared for.
    let web = rpm.entry("web").pid();
    rpm.ok("restart web");
    assert_ne!(rpm.entry("web").pid(), web);
    assert_eq!(
        (rpm.children().len(), rpm.daemon()),
        (1, Some(daemon)),
        "the write over the limit ends no daemon"
    );
    limit_files(daemon, "unlimited");
    rpm.wait_status("second", "online");
}

#[test]
fn a_log_on_a_read_only_file_system_is_waited_for() {
    let rpm = Rpm::new();
    let logs = rpm.dir().join("elsewhere");
    fs::create_dir(&logs).unwrap();
    let Some(mounted) = ReadOnly::mount(&logs) else {
        eprintln!("skipped: nothing can be mounted here");
        return;
    };
    let refused = rpm.run("start forever.sh --name web -o elsewhere/web.log");
    refused.ends_with(1);
    assert!(refused.stderr.contains("elsewhere/web.log: Read-only file system"), "{refused:?}");
    assert_eq!(rpm.entry("web").status(), "launching");
    drop(mounted);
    rpm.wait_status("web", "online");
}

#[test]
fn a_daemon_whose_home_is_read_only_is_not_replaced() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let (daemon, web) = (rpm.daemon(), rpm.entry("web").pid());
    let home = rpm.home();
    let Some(mounted) = ReadOnly::mount(&home) else {
        eprintln!("skipped: nothing can be mounted here");
        return;
    };
    let refused = rpm.run("update");
    refused.ends_with(1);
    assert!(refused.stderr.contains("state/journal: Read-only file system"), "{refused:?}");
    assert_eq!((rpm.daemon(), rpm.entry("web").pid()), (daemon, web));
    drop(mounted);
    rpm.ok("update");
    assert_eq!(rpm.entry("web").pid(), web);
    wait_until("the same process", || rpm.children().contains(&web));
}
