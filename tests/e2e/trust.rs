//! What `docs/security.md` claims and no other module shows.

use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use nix::{libc::O_NONBLOCK, sys::stat::Mode, unistd::mkfifo};
use rpm_tests::{Rpm, Running, wait_until};

/// Everything below a directory, and itself.
fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(tree(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Runs a verb for which nothing is too open.
fn carelessly(rpm: &Rpm, verb: &str) {
    let command = rpm.command_under("sh", &["-c", "umask 0; exec \"$0\" \"$@\""], verb);
    Running::start(command).output().ends_with(0);
}

#[test]
fn nobody_else_enters_the_home_or_reads_what_has_environments() {
    let rpm = Rpm::new();
    carelessly(&rpm, "start fails.sh --name failing --no-autorestart");
    carelessly(&rpm, "start forever.sh --name dated --time");
    carelessly(&rpm, "save");
    carelessly(&rpm, "set pm2-logrotate:retain 7");
    rpm.wait_status("failing", "stopped");
    let home = rpm.home();
    assert_eq!((mode(&home), mode(&home.join("state"))), (0o700, 0o700));
    let mut seen = 0;
    for path in tree(&home) {
        let is_apps = path.starts_with(home.join("logs")) || path.starts_with(home.join("pids"));
        let is_private = mode(&path).trailing_zeros() >= 6;
        // Logs and pids of apps are for tools of others, where the home lets them in.
        let is_pid = path.extension().is_some_and(|extension| extension == "pid");
        assert!(is_private || is_apps || is_pid, "{} has mode {:o}", path.display(), mode(&path));
        seen += usize::from(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    }
    assert_eq!((seen, mode(&rpm.socket())), (1, 0o600));
    for name in ["dump.rpm", "state/journal", "rpm.log", "module_conf.json"] {
        assert_eq!(mode(&home.join(name)), 0o600, "{name}");
    }
}

#[test]
fn state_is_never_written_through_a_link() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let precious = rpm.write("precious", "kept");
    let home = rpm.home();
    rpm.ok("save");
    for name in ["dump.rpm", "dump.rpm.new", "state/journal.new", "state/1-out.fifo"] {
        let _ = fs::remove_file(home.join(name));
        symlink(&precious, home.join(name)).unwrap();
    }
    rpm.forever("other", "--time");
    rpm.ok("save");
    assert!(fs::symlink_metadata(home.join("dump.rpm")).unwrap().is_file());
    assert!(fs::symlink_metadata(home.join("state/1-out.fifo")).unwrap().file_type().is_fifo());
    // The next daemon writes its journal anew.
    let daemon = rpm.daemon().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon), nix::sys::signal::SIGKILL).unwrap();
    rpm.wait_daemon_gone(daemon);
    assert_eq!(rpm.statuses(), ["web:online", "other:online"]);
    assert!(fs::symlink_metadata(home.join("state/journal")).unwrap().is_file());
    assert_eq!(rpm.read("precious"), "kept");
}

#[test]
fn a_pid_file_is_never_a_link() {
    let rpm = Rpm::new();
    rpm.write("precious", "kept");
    symlink("precious", rpm.path("web-0.pid")).unwrap();
    let app = "[[apps]]\nname = 'web'\nscript = 'forever.sh'\npid_file = 'web.pid'\n";
    rpm.write("eco.toml", app);
    rpm.ok("start eco.toml");
    assert_eq!((rpm.statuses(), rpm.read("precious")), (vec!["web:online".to_owned()], "kept".to_owned()));
    assert!(rpm.log("rpm").contains("pid file"), "{}", rpm.log("rpm"));
}

/// Starts an app that says a word into a log at `path`.
fn say_into(rpm: &Rpm, name: &str, path: &str) {
    rpm.script("say.sh", "echo a word; exec sleep 1000000");
    rpm.write(
        "eco.toml",
        &format!(
            "[[apps]]\nname = '{name}'\nscript = 'say.sh'\nout_file = '{path}'\nerror_file = '/dev/null'\n"
        ),
    );
    rpm.run("start eco.toml");
}

#[test]
fn a_log_may_be_a_link_of_ones_own_or_a_device() {
    let rpm = Rpm::new();
    fs::create_dir(rpm.path("volume")).unwrap();
    symlink("volume/web.log", rpm.path("web.log")).unwrap();
    say_into(&rpm, "web", "web.log");
    wait_until("the word", || rpm.read("volume/web.log") == "a word\n");
    say_into(&rpm, "mute", "/dev/null");
    assert_eq!(rpm.statuses(), ["web:online", "mute:online"]);
    rpm.ok("flush");
    assert_eq!(rpm.read("volume/web.log"), "");
}

/// Only root can make a link of somebody else's.
#[test]
fn a_log_is_not_written_through_the_link_of_another_user() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let rpm = Rpm::new();
    rpm.write("precious", "kept\n");
    symlink("precious", rpm.path("web.log")).unwrap();
    lchown(rpm.path("web.log"), Some(65_534), Some(65_534)).unwrap();
    say_into(&rpm, "web", "web.log");
    assert_eq!(rpm.statuses(), ["web:errored"]);
    rpm.ok("describe web").says("link of user 65534");
    rpm.run("flush web");
    rpm.run("rotate web");
    assert_eq!(rpm.read("precious"), "kept\n");
    let links = fs::symlink_metadata(rpm.path("web.log")).unwrap();
    assert_eq!(links.uid(), 65_534);
}

#[test]
fn a_log_that_is_a_pipe_keeps_the_daemon_waiting_never() {
    let rpm = Rpm::new();
    mkfifo(&rpm.path("pipe"), Mode::S_IRWXU).unwrap();
    // A pump writes into it, too.
    rpm.script("much.sh", "yes | head -c 300000; exec sleep 1000000");
    for (name, option) in [("direct", ""), ("dated", "--time")] {
        rpm.ok(&format!("start much.sh --name {name} --output pipe {option}"));
        rpm.ok("flush");
        rpm.ok("logs --nostream --lines 1");
    }
    assert_eq!(rpm.statuses(), ["direct:online", "dated:online"]);
    let mut pipe = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(rpm.path("pipe")).unwrap();
    assert_eq!(pipe.read(&mut [0; 100]).unwrap(), 100);
    drop::<File>(pipe);
}

#[test]
fn secrets_of_the_environment_are_in_no_list_and_no_log() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'web'\nscript = 'fails.sh'\nmax_restarts = 2\nenv = { KEY = 'hunter1' }\n",
    );
    let mut command = rpm.command("start eco.toml");
    command.env("TOKEN", "hunter2");
    Running::start(command).output().ends_with(0);
    rpm.wait_status("web", "errored");
    rpm.run("reload web");
    rpm.run("restart web --update-env");
    rpm.wait_status("web", "errored");
    for verb in ["list", "why web", "history", "monit --once", "logs --nostream"] {
        let output = rpm.run(verb);
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("hunter"), "{verb}: {output}");
    }
    let command_line = fs::read(format!("/proc/{}/cmdline", rpm.daemon().unwrap())).unwrap();
    assert!(!String::from_utf8_lossy(&command_line).contains("hunter"));
    // Where environments have to be, and nowhere else.
    rpm.ok("save");
    let with_environments = ["state/journal", "dump.rpm"].map(|name| rpm.home().join(name));
    for path in tree(&rpm.home()).into_iter().filter(|path| path.is_file()) {
        let has = String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("hunter");
        assert_eq!(has, with_environments.contains(&path), "{}", path.display());
    }
}

#[test]
fn nothing_is_called_that_nobody_asked_for() {
    if Command::new("strace").arg("-V").output().is_err() {
        return;
    }
    let rpm = Rpm::new();
    let session = "for verb in 'start forever.sh --name web' list save jlist 'describe web' 'logs --nostream' \
                   'restart web' 'reload web' 'stop web' report kill; do \"$0\" $verb || exit 1; done";
    let trace = rpm.path("trace");
    let args = ["-f", "-qq", "-e", "trace=socket", "-o", trace.to_str().unwrap(), "sh", "-c", session];
    let output = Running::start(rpm.command_under("strace", &args, "")).output();
    // Where nobody may look at processes.
    if output.stderr.contains("Operation not permitted") {
        return;
    }
    output.ends_with(0);
    let trace = rpm.read("trace");
    let sockets: Vec<_> = trace.lines().filter(|line| line.contains("socket(")).collect();
    assert!(sockets.iter().any(|line| line.contains("AF_UNIX")), "{trace}");
    for line in sockets {
        assert!(line.contains("AF_UNIX"), "{line}");
    }
}
