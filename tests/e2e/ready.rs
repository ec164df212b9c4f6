//! What shows that an app is up, and sockets that are held for it.

use std::{
    io::Read,
    net::{TcpListener, TcpStream},
};

use rpm_tests::{Entry, Puppet, Rpm, wait_for, wait_until};

/// A Node server that listens when it is told to, and answers with `STATUS`.
const SERVER: &str = "
const { existsSync } = require('node:fs');
const server = require('node:http').createServer((request, response) => {
  response.statusCode = existsSync('well') ? 200 : 503;
  response.end(String(process.pid));
});
const look = setInterval(() => {
  if (!existsSync('go')) return;
  clearInterval(look);
  server.listen(Number(process.env.PORT), '127.0.0.1');
}, 5);
";

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn declare(rpm: &Rpm, script: &str, more: &str) {
    rpm.write(
        "app.toml",
        &format!("[[apps]]\nname = \"app\"\nscript = \"{script}\"\nlisten_timeout = \"30s\"\n{more}"),
    );
}

#[test]
fn a_port_or_a_good_answer_shows_that_it_is_up() {
    for (ready, is_well_needed) in [("tcp:PORT", false), ("http://127.0.0.1:PORT/health", true)] {
        let rpm = Rpm::new();
        let port = free_port().to_string();
        rpm.write("server.js", SERVER);
        let ready = ready.replace("PORT", &port);
        declare(&rpm, "server.js", &format!("ready = \"{ready}\"\nenv = {{ PORT = {port} }}\n"));
        let mut starting = rpm.start("start app.toml");
        wait_until("the launch", || rpm.jlist().first().is_some_and(|entry| entry.status() == "launching"));
        rpm.write("go", "");
        if is_well_needed {
            wait_until("a connection", || TcpStream::connect(("127.0.0.1", port.parse().unwrap())).is_ok());
            assert_eq!(rpm.entry("app").status(), "launching");
            assert!(!starting.has_ended());
            rpm.write("well", "");
        }
        starting.output().ends_with(0);
        assert_eq!(rpm.entry("app").status(), "online");
    }
}

#[test]
fn what_shows_it_is_looked_for_by_the_next_image_of_the_daemon() {
    for ready in ["tcp:PORT", "log:come up"] {
        let rpm = Rpm::new();
        let port = free_port().to_string();
        rpm.write(
            "server.js",
            &format!(
                "process.stdout.write('come ');{SERVER}server.on('listening', () => console.log('up'));"
            ),
        );
        let ready = ready.replace("PORT", &port);
        // A limit that cannot stand in for the sign.
        let more = format!("listen_timeout = '1h'\nready = '{ready}'\nenv = {{ PORT = {port} }}\n");
        rpm.write("app.toml", &format!("[[apps]]\nname = 'app'\nscript = 'server.js'\n{more}"));
        let starting = rpm.start("start app.toml");
        wait_until("the launch", || rpm.jlist().first().is_some_and(|entry| entry.log("out") == "come "));
        rpm.ok("update");
        assert_eq!(rpm.entry("app").status(), "launching");
        rpm.write("go", "");
        rpm.wait_status("app", "online");
        drop(starting.output());
    }
}

#[test]
fn one_that_never_shows_it_is_taken_to_be_up() {
    let rpm = Rpm::new();
    rpm.write(
        "app.toml",
        "[[apps]]\nname = \"app\"\nscript = \"forever.sh\"\nready = \"notify\"\nlisten_timeout = 50\n",
    );
    rpm.ok("start app.toml");
    assert_eq!(rpm.entry("app").status(), "online");
    let before = rpm.entry("app").pid();
    // But it does not take the place of one that works.
    rpm.write(
        "app.toml",
        "[[apps]]\nname = \"app\"\nscript = \"forever.sh\"\nready = \"notify\"\nlisten_timeout = 50\nreload = \"overlap\"\n",
    );
    rpm.fails("reload app.toml").complains("was not up after 50 ms (listen_timeout)");
    assert_eq!((rpm.entry("app").pid(), rpm.entry("app").restarts()), (before, 0));
    wait_until("the end of the new one", || rpm.children().len() == 1);
}

/// Says something by `sd_notify`, in Python.
const NOTIFY: &str = "
import os, socket, sys
channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for line in sys.stdin:
    channel.sendto(line.strip().replace(';', '\\n').encode(), os.environ['NOTIFY_SOCKET'].replace('@', '\\0', 1))
";

#[test]
fn notifications_are_understood_also_after_an_update() {
    let rpm = Rpm::new();
    rpm.write("notify.py", NOTIFY);
    rpm.script("app.sh", "#!/bin/sh\nexec python3 notify.py < app.pipe\n");
    let pipe = Puppet::new(&rpm, "app");
    declare(&rpm, "app.sh", "ready = \"notify\"\nwatchdog = \"60s\"\nmin_uptime = 0\n");
    let mut starting = rpm.start("start app.toml");
    wait_until("the launch", || rpm.jlist().first().is_some_and(|entry| entry.status() == "launching"));
    pipe.does("STATUS=half way");
    pipe.does("NONSENSE");
    wait_until("the status", || {
        let replies = rpm_tests::Raw::greet(&rpm).ask(&serde_json::json!({ "describe": null }));
        replies.iter().any(|reply| reply["processes"][0]["told"]["status"] == "half way")
    });
    assert!(!starting.has_ended());
    pipe.does("READY=1;WATCHDOG=1");
    starting.output().ends_with(0);
    // The next image of the daemon hears it, too.
    rpm.ok("update");
    pipe.does("STATUS=after the update;WATCHDOG=1");
    wait_until("the status", || {
        let replies = rpm_tests::Raw::greet(&rpm).ask(&serde_json::json!({ "describe": null }));
        replies.iter().any(|reply| reply["processes"][0]["told"]["status"] == "after the update")
    });
    // As if it had been silent for too long.
    pipe.does("WATCHDOG=trigger");
    wait_until("the restart", || rpm.entry("app").restarts() >= 1);
    assert!(rpm.log("rpm").contains("WATCHDOG=trigger"), "{}", rpm.log("rpm"));
}

#[test]
fn held_sockets_outlive_runs_and_are_refused_when_taken() {
    let rpm = Rpm::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap();
    declare(&rpm, "forever.sh", &format!("listen = [\"{place}\"]\n"));
    rpm.fails("start app.toml").complains(&format!("cannot listen on {place}")).complains("in use");
    drop(taken);
    rpm.write(
        "accept.py",
        "import os, socket
sockets = [socket.socket(fileno=3 + n) for n in range(int(os.environ['LISTEN_FDS']))]
assert os.environ['LISTEN_PID'] == str(os.getpid())
print('listening', sockets[0].getsockname()[1], sockets[1].getsockname(), os.environ['LISTEN_FDNAMES'], flush=True)
while True:
    connection, _ = sockets[0].accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
",
    );
    let path = rpm.path("admin.sock");
    declare(
        &rpm,
        "accept.py",
        "listen = [\"127.0.0.1:0\", \"admin=unix:admin.sock\"]\nrestart_delay = 200\n",
    );
    rpm.ok("restart app.toml");
    let line = wait_for("its line", || {
        rpm.entry("app").log("out").lines().find_map(|line| Some(line.strip_prefix("listening ")?.to_owned()))
    });
    let mut words = line.split(' ');
    let port: u16 = words.next().unwrap().parse().unwrap();
    assert_eq!(words.collect::<Vec<_>>(), [path.to_str().unwrap(), "app:admin"]);
    let ask = || {
        let mut answer = String::new();
        TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut answer).unwrap();
        answer.parse::<i32>().unwrap()
    };
    let first = ask();
    assert_eq!(first, rpm.entry("app").pid());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::SIGKILL).unwrap();
    rpm.wait_status("app", "waiting restart");
    // Nobody runs, and still nobody is refused.
    let second = ask();
    assert_ne!(second, first);
    rpm.ok("delete app");
    TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    assert!(!path.exists());
}

#[test]
fn what_cannot_be_declared_is_refused_with_its_place() {
    let rpm = Rpm::new();
    for (attribute, reason) in [
        ("ready = \"tcp:70000\"", "port from 1 to 65535"),
        ("ready = \"log:(\"", "regular expression"),
        ("ready = \"http:///health\"", "no host"),
        ("ready = \"sometimes\"", "expected \"ipc\""),
        ("listen = [\"localhost\"]", "127.0.0.1:3000"),
        ("cluster_balance = \"fair\"", "round_robin"),
        ("reload = \"gently\"", "overlap"),
    ] {
        rpm.write("app.toml", &format!("[[apps]]\nscript = \"forever.sh\"\n{attribute}\n"));
        rpm.fails("start app.toml").complains(reason).complains("app.toml:3:");
    }
    assert_eq!(rpm.jlist().iter().map(Entry::id).count(), 0);
}
