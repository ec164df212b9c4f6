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
    assert_eq!(["", "state", "logs", "pids"].map(|name| mode(&home.join(name))), [0o700; 4]);
    assert_eq!(mode(&home.join("logs/dated-out.log")), 0o600);
    let mut seen = 0;
    for path in tree(&home) {
        let is_private = mode(&path).trailing_zeros() >= 6;
        // The daemon's pid is for tools of others, where the home lets them in.
        assert!(is_private || path == home.join("rpm.pid"), "{} has mode {:o}", path.display(), mode(&path));
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

#[test]
fn the_daemons_own_files_are_never_links() {
    for name in ["rpm.log", "rpm.pid", "reload.lock", "state/daemon.lock", "state/spawn.lock"] {
        let rpm = Rpm::new();
        rpm.forever("web", "");
        rpm.ok("kill");
        let precious = rpm.write("precious", "kept");
        let path = rpm.home().join(name);
        let _ = fs::remove_file(&path);
        symlink(&precious, &path).unwrap();
        rpm.run("start forever.sh --name web");
        rpm.run("reload web");
        rpm.run("kill");
        assert_eq!(rpm.read("precious"), "kept", "{name}");
    }
}

/// What a home of PM2 looks like, with a log.
fn home_of_pm2(rpm: &Rpm) {
    for name in ["", "logs", "pids"] {
        fs::create_dir(rpm.home().join(name)).unwrap();
        fs::set_permissions(rpm.home().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// A verb under the name of the persona.
fn as_pm2(rpm: &Rpm, verb: &str) -> rpm_tests::Output {
    let script = "umask 022; export PM2_HOME=\"$RPM_HOME\"; ln -sf \"$0\" pm2; exec ./pm2 \"$@\"";
    Running::start(rpm.command_under("bash", &["-c", script], verb)).output()
}

#[test]
fn modes_of_a_home_that_pm2_has_made_stay_and_doctor_says_so() {
    let rpm = Rpm::new();
    home_of_pm2(&rpm);
    as_pm2(&rpm, "start forever.sh --name web").ends_with(0);
    let home = rpm.home();
    assert_eq!(["logs", "pids"].map(|name| mode(&home.join(name))), [0o755; 2]);
    assert_eq!(["logs/web-out.log", "pids/web-0.pid"].map(|name| mode(&home.join(name))), [0o644; 2]);
    as_pm2(&rpm, "doctor").says("logs/ is open to other users");
    as_pm2(&rpm, "kill").ends_with(0);
}

#[test]
fn a_home_that_is_made_for_pm2_is_closed_and_rpm_closes_one_that_is_there() {
    let rpm = Rpm::new();
    as_pm2(&rpm, "start forever.sh --name web").ends_with(0);
    let home = rpm.home();
    assert_eq!(["", "logs", "pids"].map(|name| mode(&home.join(name))), [0o700; 3]);
    assert_eq!(["logs/web-out.log", "pids/web-0.pid"].map(|name| mode(&home.join(name))), [0o600; 2]);
    as_pm2(&rpm, "kill").ends_with(0);
    let rpm = Rpm::new();
    home_of_pm2(&rpm);
    rpm.forever("web", "");
    assert_eq!(["logs", "pids"].map(|name| mode(&rpm.home().join(name))), [0o700; 2]);
}

/// A process of user 65534 with this environment, which leads a session.
fn forged(environment: &std::collections::BTreeMap<String, String>) -> std::process::Child {
    Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "setsid", "sleep", "1000000"])
        .env_clear()
        .envs(environment)
        .current_dir("/")
        .spawn()
        .unwrap()
}

#[test]
fn marks_that_another_user_has_forged_are_not_believed() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let rpm = Rpm::new();
    let web = rpm.forever("web", "");
    rpm.lose_daemon();
    let mut environment = web.environ();
    // As if the daemon had died between a restart and its note of it.
    environment.insert("restart_time".into(), "1".into());
    let mut forged = forged(&environment);
    wait_until("the forgery", || rpm_tests::command_line(forged.id() as i32).contains("1000000"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(web.pid()), nix::sys::signal::SIGKILL).unwrap();
    wait_until("its end", || !Path::new(&format!("/proc/{}", web.pid())).exists());
    let adopted = rpm.wait_status("web", "online").pid();
    rpm.ok("restart web");
    rpm.ok("delete web");
    let is_alive = forged.try_wait().unwrap().is_none();
    forged.kill().unwrap();
    forged.wait().unwrap();
    assert_ne!(adopted, forged.id() as i32);
    assert!(is_alive, "it was ended as if it were the app's");
}

/// Runs a verb as a user who is not root.
fn as_other(rpm: &Rpm, variables: &[(&str, &str)], verb: &str) -> rpm_tests::Output {
    let user = ["--reuid=65533", "--regid=65533", "--clear-groups"];
    let mut command = rpm.command_under("setpriv", &user, verb);
    command.envs(variables.iter().copied()).current_dir("/");
    Running::start(command).output()
}

#[test]
fn a_daemon_or_home_of_another_user_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let rpm = Rpm::new();
    let home = rpm.home();
    fs::create_dir(&home).unwrap();
    for path in [home.parent().unwrap(), &home] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    // It gives nothing away but that it was asked.
    let daemon = "require('net').createServer((client) => { console.log('asked'); client.end(); })
        .listen(process.argv[1], () => require('fs').chmodSync(process.argv[1], 0o777))";
    let mut command = rpm.command_under("setpriv", &[], "");
    command = {
        let mut fake = Command::new(command.get_program());
        fake.args(["--reuid=65534", "--regid=65534", "--clear-groups", "node", "-e", daemon])
            .arg(rpm.socket());
        fake.current_dir("/").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        fake
    };
    let fake = Running::start(command);
    wait_until("the socket", || fs::metadata(rpm.socket()).is_ok_and(|meta| meta.mode() & 0o777 == 0o777));
    for verb in ["list", "start /bin/true"] {
        as_other(&rpm, &[], verb).ends_with(1).complains("belongs to nobody");
    }
    as_other(&rpm, &[("PM2_SOCKET_USER", "65534")], "list").complains("closed the connection");
    as_other(&rpm, &[("PM2_SOCKET_USER", "nobody")], "list").complains("closed the connection");
    rpm.run("list").complains("notice: the daemon of").complains("belongs to nobody");
    fake.shows("asked");
    drop(fake);
    fs::remove_file(rpm.socket()).unwrap();
    lchown(&home, Some(65_534), Some(65_534)).unwrap();
    as_other(&rpm, &[], "start /bin/true").ends_with(1).complains("belongs to nobody");
    rpm.run("start forever.sh --name web").ends_with(0).complains("notice: the home of");
}
