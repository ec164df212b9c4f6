//! What lies in `examples/` for people to start and read: it starts, and does what it says.

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    os::unix::fs::symlink,
};

use rpm_tests::{Entry, Load, Rpm, get, repository, wait_for, wait_until};

/// The example `name` in a working directory, its ecosystem file changed so that no port is fixed.
fn lay_out(rpm: &Rpm, name: &str, changes: &[(&str, &str)]) {
    let directory = repository().join("examples").join(name);
    for file in fs::read_dir(&directory).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "ecosystem.toml" {
            symlink(file.path(), rpm.path(file.file_name().to_str().unwrap())).unwrap();
        }
    }
    let mut text = fs::read_to_string(directory.join("ecosystem.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    rpm.write("ecosystem.toml", &text);
}

/// The port that the app says it listens on.
fn port(rpm: &Rpm, line: &str) -> u16 {
    wait_for("the port", || {
        let log = rpm.jlist().first().map(|entry| entry.log("out"))?;
        log.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
    })
}

#[test]
fn a_node_server_in_cluster_mode_is_reloaded_under_load() {
    let rpm = Rpm::new();
    lay_out(&rpm, "cluster", &[("\"max\"", "2"), ("PORT = 3460", "PORT = \"0\"")]);
    let server = repository().join("examples/cluster/server.js");
    assert!(fs::read_to_string(server).unwrap().contains("process.env.PORT"));
    rpm.ok("start ecosystem.toml");
    let port = port(&rpm, "listening on ");
    assert!(get(port, "/").unwrap().starts_with("worker "));
    let load = Load::start(port, 4);
    load.more(20);
    rpm.ok("reload cluster");
    load.more(20);
    assert_eq!(load.failures(), [""; 0]);
}

#[test]
fn a_python_server_with_a_held_socket_is_reloaded_under_load() {
    let rpm = Rpm::new();
    lay_out(&rpm, "listen", &[("127.0.0.1:3461", "127.0.0.1:0")]);
    rpm.ok("start ecosystem.toml");
    let before = rpm.wait_status("listen", "online");
    let port = port(&rpm, "listening ");
    assert_eq!(before.environ()["LISTEN_PID"], before.pid().to_string());
    let load = Load::start(port, 4);
    load.more(20);
    for _ in 0..3 {
        rpm.ok("reload listen");
        load.more(20);
    }
    assert_eq!(load.failures(), [""; 0], "{}", rpm.entry("listen").log("err"));
    let after = rpm.entry("listen");
    assert_ne!(after.pid(), before.pid());
    assert_eq!((after.id(), after.restarts()), (before.id(), 3));
    rpm.ok("update");
    get(port, "/").unwrap();
    rpm.ok("reload listen");
    get(port, "/").unwrap();
    // A daemon that dies takes no socket with it: the next one has it from the process that lives.
    let running = rpm.entry("listen").pid();
    rpm.lose_daemon();
    rpm.ok("ping");
    get(port, "/").unwrap();
    rpm.ok("reload listen");
    assert_ne!(rpm.entry("listen").pid(), running);
    get(port, "/").unwrap();
    rpm.ok("stop listen");
    get(port, "/").unwrap_err();
}

#[test]
fn a_start_and_a_reload_wait_for_a_line_of_the_log() {
    let rpm = Rpm::new();
    lay_out(&rpm, "ready", &[("reload =", "env = { WARM_UP = \"0.05\" }\nreload =")]);
    rpm.ok("start ecosystem.toml");
    let before = rpm.entry("ready");
    assert_eq!(before.status(), "online");
    assert!(before.log("out").ends_with("waiting for jobs\n"), "{}", before.log("out"));
    rpm.ok("reload ready");
    let after = rpm.entry("ready");
    assert_ne!(after.pid(), before.pid());
    assert_eq!(after.log("out").matches("waiting for jobs").count(), 2);
    wait_until("the last words", || after.log("out").contains("last job done"));
    assert_eq!(rpm.jlist().iter().map(Entry::pid).collect::<Vec<_>>(), [after.pid()]);
}

/// Starts the example `name`, which is one app of that name.
fn started(name: &str, changes: &[(&str, &str)]) -> Rpm {
    let rpm = Rpm::new();
    lay_out(&rpm, name, changes);
    rpm.ok("start ecosystem.toml").says(&format!("App [{name}] launched (1 instances)"));
    rpm
}

#[test]
fn a_web_server_answers_and_closes_in_good_order() {
    let rpm = started("web", &[("PORT = 3456", "PORT = 0")]);
    let port = port(&rpm, "listening on ");
    let pid = rpm.entry("web").pid();
    assert!(get(port, "/").unwrap().contains(&format!("hello from web (pid {pid})")));
    rpm.ok("stop web");
    assert!(rpm.log("web-out").ends_with("closing\n"));
    assert_eq!(rpm.entry("web").number("exit_code"), 0);
    rpm.ok("restart ecosystem.toml --env staging");
    assert_eq!(rpm.entry("web").environ()["PORT"], "3457");
}

#[test]
fn a_clock_ticks_and_waits_for_the_next_minute() {
    let rpm = started("clock", &[]);
    rpm.wait_status("clock", "stopped");
    wait_until("the tick", || rpm.log("clock-out").ends_with(": tick\n"));
    assert!(rpm.log("clock-out").starts_with("20"), "each line begins with the time");
    rpm.ok("describe clock").says("│ cron restart ").says("* * * * *").says("│ next cron tick ");
}

#[test]
fn a_crash_is_left_errored_after_five_short_runs() {
    let rpm = started("crash", &[]);
    let entry = rpm.wait_status("crash", "errored");
    assert_eq!(entry.number("exit_code"), 1);
    assert_eq!(rpm.log("crash-out").matches("working\n").count(), 5);
    assert_eq!(rpm.log("crash-error").matches("something went wrong\n").count(), 5);
    rpm.ok("logs crash --nostream").says("something went wrong");
}

#[test]
fn a_stack_is_brought_up_broken_healed_and_rolled_out() {
    let rpm = Rpm::new();
    let free = || TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let (db, web) = (free(), free());
    let (db_text, web_text) = (db.to_string(), web.to_string());
    let changes = [("3463", &*db_text), ("3464", &*web_text), ("\"1s\"", "\"50ms\""), ("\"10s\"", "\"60s\"")];
    lay_out(&rpm, "stack", &changes);
    let env = rpm.read("stack.env").replace("3463", &db_text);
    fs::remove_file(rpm.path("stack.env")).unwrap();
    rpm.write("stack.env", &env);
    rpm.ok("start ecosystem.toml --wait --timeout 120s");
    assert_eq!(rpm.log("migrate-out"), "schema none -> 2\n");
    assert!(get(web, "/").unwrap().contains("version 1, schema 2"));
    wait_until("a job", || rpm.log("worker-out").contains("job 1 done\n"));

    // The database falls silent: it is restarted, and all is well again.
    let before = rpm.entry("db");
    TcpStream::connect(("127.0.0.1", db)).unwrap().write_all(b"not-a-secret BREAK\n").unwrap();
    rpm.wait_where("db", "a restart", |entry| entry.restarts() > 0 && entry.pid() != before.pid());
    rpm.ok("wait db api worker --timeout 120s");
    assert!(get(web, "/").unwrap().contains("version 1, schema 2"), "what it knew was kept");
    assert!(rpm.log("rpm").contains("App [db:0] is unhealthy: "));

    // The api is rolled out, and nobody else is touched.
    let pids = || -> Vec<i64> {
        let others = ["db", "worker"].map(|name| rpm.entry(name).pid().into());
        others.to_vec()
    };
    let others = pids();
    let text = rpm.read("ecosystem.toml").replace("VERSION = \"1\"", "VERSION = \"2\"");
    rpm.write("ecosystem.toml", &text);
    let load = Load::start(web, 2);
    load.more(10);
    rpm.ok("apply ecosystem.toml").says("reload  api: env.VERSION\n").says("keep    db\n");
    load.more(10);
    assert_eq!(load.failures(), [""; 0]);
    assert!(get(web, "/").unwrap().contains("version 2, schema 2"));
    assert_eq!(pids(), others);
    rpm.ok("stop all");
    let log = rpm.log("rpm");
    let end = |name: &str| log.rfind(&format!("App [{name}] stopped")).unwrap();
    assert!(end("worker:3") < end("api:2") && end("api:2") < end("db:0"), "{log}");
}

#[test]
fn every_example_has_a_test() {
    let tests: String = fs::read_dir(repository().join("tests/e2e"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for example in fs::read_dir(repository().join("examples")).unwrap() {
        let name = example.unwrap().file_name().into_string().unwrap();
        let is_named = tests.contains(&format!("\"{name}\"")) || tests.contains(&format!("examples/{name}"));
        assert!(is_named, "no test starts examples/{name}");
    }
}
