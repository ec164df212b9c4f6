//! What sets a machine or a directory up: `init`, `startup`, `logrotate`, `completion`, and the verbs that are not
//! here. Nothing outside the test's own directory is touched.

use rpm_tests::Rpm;

#[test]
fn a_first_file_is_written_and_can_be_loaded() {
    let rpm = Rpm::new();
    rpm.script("app.js", "setInterval(() => {}, 1000)\n");
    rpm.ok("init simple").says(&format!("File {} generated", rpm.path("ecosystem.toml").display()));
    rpm.ok("start ecosystem.toml").says("App [app1] launched (1 instances)");
    rpm.fails("ecosystem").complains("is there already: --force overwrites it");
    rpm.ok("ecosystem --force");
    rpm.ok("start ecosystem.toml --env production");
    assert_eq!(rpm.entry("api").get("env")["NODE_ENV"], "production");
}

#[test]
fn a_service_is_shown_before_it_is_made() {
    let rpm = Rpm::new();
    for platform in ["systemd", "upstart", "systemv", "openrc", "launchd", "rcd", "rcd-openbsd", "smf"] {
        let home = rpm.home().display().to_string();
        rpm.ok(&format!("startup {platform} --dry-run"))
            .says(&format!("Platform {platform}\nTemplate\n"))
            .says(&home)
            .says("Target path\n")
            .says("Command list\n[ '")
            .says("[RPM] Nothing was written, nothing was run (--dry-run)");
        rpm.ok(&format!("unstartup {platform} --dry-run")).says("[RPM] Nothing was removed");
    }
    rpm.ok("startup systemd --dry-run --service-name mine --wait-ip")
        .says("/etc/systemd/system/mine.service")
        .says("'systemctl enable mine'")
        .says("network-online.target");
    rpm.fails("startup dos --dry-run").complains("Platform dos is unknown: expected one of systemd, ");
    rpm.fails("startup systemd --dry-run -u nobody-of-that-name")
        .complains("User nobody-of-that-name cannot be found");
    rpm.ok("logrotate --dry-run").says("copytruncate").says("was not written (--dry-run)");
    assert!(rpm.daemon().is_none());
}

#[test]
fn a_service_is_made_and_removed() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: services are made by root");
        return;
    }
    let rpm = Rpm::new();
    rpm.script("bin/launchctl", "#!/bin/sh\necho \"$@\" >>calls\nexit $(cat code)\n");
    rpm.write("code", "0");
    let run = |line: &str| {
        let path = format!("{}:{}", rpm.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = rpm.command(line);
        command.env("PATH", path);
        rpm_tests::Running::start(command).output()
    };
    // launchd's files are below the user's own directory.
    let words = format!("launchd --hp {}", rpm.path("user").display());
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let file = rpm.path(&format!("user/Library/LaunchAgents/rpm.{user}.plist"));
    run(&format!("startup {words}"))
        .ends_with(0)
        .says(&format!("[RPM] Writing init configuration in {}", file.display()))
        .says("[RPM] [v] Command successfully executed.");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(&format!("{}/.rpm", rpm.path("user").display())), "{text}");
    assert!(text.contains(rpm_tests::executable().to_str().unwrap()) && text.contains("resurrect"), "{text}");
    run(&format!("unstartup {words}")).ends_with(0).says("[RPM] Init file disabled.");
    assert!(!file.exists());
    let (load, unload) = (format!("load -w {}\n", file.display()), format!("unload -w {}\n", file.display()));
    assert_eq!(rpm.read("calls"), format!("{load}{unload}"));
    run(&format!("unstartup {words}")).ends_with(1).complains("no init configuration in");
    rpm.write("code", "3");
    run(&format!("startup {words}")).ends_with(1).complains("launchctl load -w").complains("exit status: 3");
    assert!(rpm.daemon().is_none());
}

#[test]
fn words_are_completed() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let answers = |line: &str| {
        let mut command = rpm.command(["completion", "--"]);
        command
            .args(line.split(' '))
            .env("COMP_LINE", line)
            .env("COMP_POINT", line.len().to_string())
            .env("COMP_CWORD", "1");
        rpm_tests::Running::start(command).output().stdout
    };
    assert_eq!(answers("rpm stop "), "0\nall\nweb\n");
    assert_eq!(
        answers("rpm sta"),
        "start\nstartOrGracefulReload\nstartOrReload\nstartOrRestart\nstartup\nstatus\n"
    );
    assert_eq!(answers("rpm start --merge"), "--merge-logs\n");
    for shell in ["bash", "zsh", "fish"] {
        rpm.ok(&format!("completion {shell}")).says("rpm completion -- ");
    }
    rpm.ok("completion install");
    rpm.ok("completion install");
    let rc = rpm.home().parent().unwrap().join(".bashrc");
    assert_eq!(std::fs::read_to_string(&rc).unwrap().matches("###-begin-rpm-completion-###").count(), 1);
    rpm.ok("completion uninstall");
    assert_eq!(std::fs::read_to_string(&rc).unwrap(), "");
}

#[test]
fn what_is_not_here_says_so() {
    let rpm = Rpm::new();
    for verb in [
        "link a b",
        "unlink",
        "plus",
        "login",
        "monitor x",
        "open",
        "deepUpdate",
        "profile:cpu 100",
        "package .",
    ] {
        rpm.fails(verb).complains(" is not here: ");
    }
    rpm.ok("examples").says("[RPM] rpm usage examples:");
    rpm.forever("web", "");
    rpm.ok("pull web")
        .says("[RPM] Updating repository for process name web")
        .says("[RPM] No versioning system found for process web");
    rpm.fails("backward nobody").complains("No process nobody found");
}
