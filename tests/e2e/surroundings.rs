//! What a child finds around it: its directory, its user, and the release that is installed.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
};

use nix::unistd::{Uid, User, geteuid};
use rpm_tests::{Rpm, Running, wait_until};

/// Two releases with a version each, and the link `current` to the first one.
fn releases() -> Rpm {
    let rpm = Rpm::new();
    for release in ["1.0.0", "2.0.0"] {
        let package = format!("{{ \"version\": \"{release}\" }}");
        rpm.write(&format!("releases/{release}/package.json"), &package);
        let script = format!("#!/bin/sh\necho {release}\nexec sleep 1000000\n");
        rpm.script(&format!("releases/{release}/app.sh"), &script);
    }
    symlink("releases/1.0.0", rpm.path("current")).unwrap();
    rpm
}

fn relink(rpm: &Rpm) {
    fs::remove_file(rpm.path("current")).unwrap();
    symlink("releases/2.0.0", rpm.path("current")).unwrap();
}

#[test]
fn a_relinked_directory_runs_the_new_release_at_restart() {
    let rpm = releases();
    let current = rpm.path("current");
    let start = || {
        let mut command = rpm.command("start app.sh --name web -i 2");
        command.current_dir(&current).env("PWD", &current);
        Running::start(command).output()
    };
    start().ends_with(0);
    for entry in rpm.jlist() {
        assert_eq!(entry.text("pm_cwd"), current.to_str().unwrap());
        assert_eq!(entry.environ()["PWD"], current.to_str().unwrap());
        assert_eq!(entry.text("version"), "1.0.0");
    }
    relink(&rpm);
    rpm.ok("restart web");
    for entry in rpm.jlist() {
        assert_eq!(entry.text("version"), "2.0.0");
        wait_until("the new release runs", || entry.log("out").contains("2.0.0"));
        let directory = fs::read_link(format!("/proc/{}/cwd", entry.pid())).unwrap();
        assert!(directory.ends_with("releases/2.0.0"), "{}", directory.display());
    }
    rpm.ok("list").says("2.0.0");
    // A daemon that takes over knows it, too.
    rpm.lose_daemon();
    assert!(rpm.jlist().iter().all(|entry| entry.text("version") == "2.0.0"));
    start().ends_with(1).complains("already launched");
    assert_eq!(rpm.jlist().len(), 2, "the app is found by the link's name and by the one behind it");
}

#[test]
fn the_directory_in_the_environment_is_the_apps() {
    let rpm = Rpm::new();
    rpm.write("sub/keep", "");
    rpm.write("eco.toml", "[[apps]]\nname = 'web'\nscript = 'forever.sh'\ncwd = 'sub'\n");
    fs::copy(rpm.path("forever.sh"), rpm.path("sub/forever.sh")).unwrap();
    let mut command = rpm.command("start eco.toml");
    command.env("PWD", rpm.dir());
    Running::start(command).output().ends_with(0);
    assert_eq!(rpm.entry("web").environ()["PWD"], rpm.path("sub").to_str().unwrap());
}

/// The user with the most supplementary groups; `nobody` where no user has any.
fn member_of_groups() -> User {
    let groups = fs::read_to_string("/etc/group").unwrap();
    let members = groups.lines().filter_map(|line| line.rsplit_once(':')?.1.split(',').next());
    let user =
        members.filter_map(|name| User::from_name(name).ok().flatten()).find(|user| !user.uid.is_root());
    user.unwrap_or_else(|| User::from_uid(Uid::from_raw(65_534)).unwrap().unwrap())
}

/// Only root can run an app as another user.
#[test]
fn name_home_and_groups_follow_the_user() {
    if !geteuid().is_root() {
        return;
    }
    let user = member_of_groups();
    let rpm = Rpm::new();
    for path in [rpm.home().parent().unwrap(), &rpm.dir()] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    rpm.script("who.sh", "#!/bin/sh\necho \"$USER $LOGNAME $HOME $(id -Gn)\"\nexec sleep 1000000\n");
    let mut command = rpm.command(["start", "who.sh", "--name", "web", "--uid", &user.name]);
    command.env("USER", "root").env("LOGNAME", "root");
    Running::start(command).output().ends_with(0);
    let groups = Command::new("id").args(["-Gn", &user.name]).output().unwrap();
    let groups = String::from_utf8(groups.stdout).unwrap();
    let said = format!("{0} {0} {1} {2}", user.name, user.dir.display(), groups);
    wait_until("it says who it is", || !rpm.log("web-out").is_empty());
    assert_eq!(rpm.log("web-out"), said);
    rpm.ok("list").says(&user.name);
    // The user of an app that is there changes with its name and home.
    rpm.ok("restart web --uid root");
    wait_until("it says who it is now", || rpm.log("web-out").lines().count() == 2);
    let root = User::from_uid(Uid::from_raw(0)).unwrap().unwrap();
    let said = format!("{0} {0} {1} ", root.name, root.dir.display());
    assert!(rpm.log("web-out").lines().last().unwrap().starts_with(&said), "{}", rpm.log("web-out"));
}
