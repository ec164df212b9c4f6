//! Cluster mode: the daemon as the primary of Node's workers.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::UnixStream,
    process::Command,
    time::Duration,
};

use rpm_tests::{Client, Entry, Load, Raw, Rpm, get, wait_for, wait_until};
use serde_json::json;

/// Starts `worker.js` as `web`, with `instances` workers and more attributes.
fn start(rpm: &Rpm, instances: u32, more: &str) {
    declare(rpm, instances, more);
    rpm.ok("start web.toml");
}

fn declare(rpm: &Rpm, instances: u32, more: &str) {
    let app = format!(
        "[[apps]]\nname = \"web\"\nscript = \"worker.js\"\nexec_mode = \"cluster\"\ninstances = {instances}\n{more}"
    );
    rpm.write("web.toml", &app);
}

/// What each worker has logged with this word before it; waits until all have.
fn logged(rpm: &Rpm, word: &str) -> Vec<String> {
    wait_for(format!("{word} in each log"), || {
        let lines = |entry: &Entry| {
            let log = entry.log("out");
            let line = log.lines().rfind(|line| line.starts_with(word))?;
            Some(line[word.len()..].trim().to_owned())
        };
        rpm.jlist().iter().map(lines).collect()
    })
}

/// The port that all workers listen on.
fn port(rpm: &Rpm) -> u16 {
    let mut ports = logged(rpm, "listening");
    ports.dedup();
    assert_eq!(ports.len(), 1, "they share it");
    ports[0].parse().unwrap()
}

fn pids(rpm: &Rpm) -> BTreeSet<i32> {
    rpm.jlist().iter().map(Entry::pid).collect()
}

/// The pid of the worker that answers, and its `cluster.worker.id`.
fn who(answer: &str) -> (i32, u32) {
    let mut words = answer.split(' ');
    let mut next = || words.next().unwrap();
    (next().parse().unwrap(), next().parse().unwrap())
}

#[test]
fn workers_share_a_port_in_turn() {
    let rpm = Rpm::new();
    start(&rpm, 4, "");
    let port = port(&rpm);
    let mut counts = BTreeMap::new();
    for _ in 0..40 {
        *counts.entry(who(&get(port, "/").unwrap())).or_insert(0) += 1;
    }
    assert_eq!(counts.values().collect::<Vec<_>>(), [&10; 4], "{counts:?}");
    assert_eq!(counts.keys().map(|(pid, _)| *pid).collect::<BTreeSet<_>>(), pids(&rpm));
    assert_eq!(counts.keys().map(|(_, id)| *id).collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3, 4]));
    let first = &rpm.jlist()[0];
    assert_eq!((first.text("exec_mode"), first.status()), ("cluster_mode", "online"));
    rpm.ok("stop web");
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free when nothing runs");
}

#[test]
fn the_socket_itself_can_be_shared() {
    let rpm = Rpm::new();
    start(&rpm, 2, "cluster_balance = \"shared\"\n");
    let port = port(&rpm);
    let load = Load::start(port, 4);
    load.more(100);
    rpm.ok("reload web");
    load.more(100);
    assert_eq!(load.failures(), [""; 0]);
}

#[test]
fn a_crash_hits_no_connection_of_another_worker() {
    let rpm = Rpm::new();
    start(&rpm, 3, "");
    let port = port(&rpm);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new(port)).collect();
    let served: Vec<i32> = clients.iter_mut().map(|client| who(&client.get("/").unwrap()).0).collect();
    assert_eq!(served.iter().collect::<BTreeSet<_>>().len(), 3);
    clients[1].get("/crash").unwrap_err();
    for (client, pid) in clients.iter_mut().zip(&served).step_by(2) {
        assert_eq!(who(&client.get("/").unwrap()).0, *pid);
    }
    for _ in 0..6 {
        get(port, "/").expect("whoever it is handed to");
    }
    wait_until("the third worker", || {
        pids(&rpm).len() == 3 && !pids(&rpm).contains(&served[1]) && !pids(&rpm).contains(&0)
    });
    assert_eq!(rpm.jlist().iter().map(Entry::restarts).sum::<i64>(), 1);
}

#[test]
fn whoever_connects_while_all_workers_are_down_waits() {
    let rpm = Rpm::new();
    start(&rpm, 1, "restart_delay = 300\n");
    let port = port(&rpm);
    get(port, "/crash").unwrap_err();
    rpm.wait_status("web", "waiting restart");
    let (_, worker) = who(&get(port, "/").unwrap());
    assert_eq!(worker, 2, "the next one");
}

#[test]
fn a_reload_under_load_fails_no_request() {
    let rpm = Rpm::new();
    start(&rpm, 2, "");
    let (port, before) = (port(&rpm), pids(&rpm));
    let load = Load::start(port, 4);
    load.more(50);
    rpm.ok("reload web").says("[RPM] [web](0) ✓").says("[RPM] [web](1) ✓");
    load.more(50);
    rpm.ok("reload 0 --update-env");
    assert_eq!(load.failures(), [""; 0], "{}", rpm.log("rpm"));
    assert!(pids(&rpm).is_disjoint(&before));
    let list = rpm.jlist();
    assert_eq!(list.iter().map(|entry| (entry.id(), entry.restarts())).collect::<Vec<_>>(), [(0, 2), (1, 1)]);
    assert_eq!(rpm.children(), pids(&rpm), "nothing is left of the old runs");
}

#[test]
fn a_reload_that_fails_keeps_what_works() {
    let rpm = Rpm::new();
    // Its own copy: it is about to be broken.
    let good = std::fs::read_to_string(rpm.path("worker.js")).unwrap();
    std::fs::remove_file(rpm.path("worker.js")).unwrap();
    rpm.write("worker.js", &good);
    start(&rpm, 2, "listen_timeout = 400\n");
    let (port, before) = (port(&rpm), pids(&rpm));
    for (broken, reason) in
        [("throw new Error('broken')", "code 1"), ("setInterval(() => {}, 1000)", "400 ms")]
    {
        rpm.write("worker.js", broken);
        let said = rpm.fails("reload web");
        said.complains("not reloaded, pid ").complains(reason).says("not reloaded because 0 failed: 1");
        assert!(rpm.log("rpm").contains(reason));
        assert_eq!(pids(&rpm), before);
        assert_eq!(rpm.children(), before, "the new one is gone");
        get(port, "/").unwrap();
    }
    rpm.write("worker.js", &good);
    rpm.ok("reload web");
    assert!(pids(&rpm).is_disjoint(&before));
    get(port, "/").unwrap();
}

#[test]
fn a_reload_of_what_never_says_ready_is_done_with_a_warning() {
    let rpm = Rpm::new();
    let good = std::fs::read_to_string(rpm.path("worker.js")).unwrap();
    std::fs::remove_file(rpm.path("worker.js")).unwrap();
    rpm.write("worker.js", &good);
    start(&rpm, 2, "wait_ready = true\nlisten_timeout = 400\n");
    let (port, before) = (port(&rpm), pids(&rpm));
    rpm.ok("reload web").says("did not say `ready` within 400 ms");
    assert!(pids(&rpm).is_disjoint(&before));
    get(port, "/").unwrap();
    // Once it says so, the next one has to.
    rpm.write("worker.js", &format!("{good}\nprocess.send('ready');\n"));
    rpm.ok("reload web");
    let before = pids(&rpm);
    rpm.write("worker.js", &good);
    rpm.fails("reload web").complains("not reloaded, pid ");
    assert_eq!(pids(&rpm), before);
}

#[test]
fn workers_come_and_go_without_a_failed_request() {
    let rpm = Rpm::new();
    start(&rpm, 2, "");
    let port = port(&rpm);
    let load = Load::start(port, 4);
    load.more(20);
    rpm.ok("scale web 4");
    load.more(50);
    rpm.ok("scale web 1");
    load.more(50);
    assert_eq!(load.failures(), [""; 0], "{}", rpm.log("rpm"));
    assert_eq!(rpm.jlist().len(), 1);
}

#[test]
fn messages_go_both_ways() {
    let rpm = Rpm::new();
    start(&rpm, 2, "");
    port(&rpm);
    Raw::greet(&rpm).ask(&json!({ "message": { "id": 1, "data": { "type": "greeting", "n": 5 } } }));
    wait_until("the message", || {
        rpm.jlist()[1].log("out").contains("message {\"n\":5,\"type\":\"greeting\"}")
    });
    assert!(!rpm.jlist()[0].log("out").contains("greeting"));
    // A worker that floods the daemon harms nobody.
    let port = port(&rpm);
    let load = Load::start(port, 2);
    assert_eq!(get(port, "/flood").unwrap(), "flooded");
    load.more(20);
    assert_eq!(load.failures(), [""; 0]);
}

#[test]
fn a_unix_socket_is_shared_and_goes_with_the_app() {
    let rpm = Rpm::new();
    let path = rpm.path("web.sock");
    start(&rpm, 2, &format!("env = {{ LISTEN = \"{}\" }}\n", path.display()));
    logged(&rpm, "listening");
    let ask = || {
        let mut stream = UnixStream::connect(&path).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        who(answer.split("\r\n\r\n").nth(1).unwrap()).0
    };
    assert_eq!((0..4).map(|_| ask()).collect::<BTreeSet<_>>(), pids(&rpm));
    rpm.ok("stop web");
    assert!(!path.exists());
}

#[test]
fn datagrams_come_to_the_workers() {
    let rpm = Rpm::new();
    rpm.write(
        "udp.js",
        "const socket = require('node:dgram').createSocket('udp4');
         socket.on('message', (text, from) => socket.send(`${process.pid} ${text}`, from.port, from.address));
         socket.bind(0, '127.0.0.1', () => console.log('listening', socket.address().port));",
    );
    rpm.ok("start udp.js --name web -i 2");
    let port = port(&rpm);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket.send_to(b"hello", ("127.0.0.1", port)).unwrap();
    let mut answer = [0; 100];
    let length = socket.recv(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    let (pid, text) = answer.split_once(' ').unwrap();
    assert!(pids(&rpm).contains(&pid.parse().unwrap()) && text == "hello", "{answer}");
}

#[test]
fn several_servers_have_their_own_ports() {
    let rpm = Rpm::new();
    rpm.write(
        "two.js",
        "const net = require('node:net');
         const ports = [];
         for (const name of ['a', 'b']) {
           const server = net.createServer((socket) => socket.end(name));
           server.listen(0, '127.0.0.1', () => {
             ports.push(name + server.address().port);
             if (ports.length === 2) console.log('listening', ports.sort().join(' '));
           });
         }",
    );
    rpm.ok("start two.js --name web -i 2");
    let mut ports = logged(&rpm, "listening");
    ports.dedup();
    assert_eq!(ports.len(), 1, "{ports:?}");
    for place in ports[0].split(' ') {
        let (name, port) = place.split_at(1);
        let mut answer = String::new();
        let port: u16 = port.parse().unwrap();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut answer).unwrap();
        assert_eq!(answer, name);
    }
}

#[test]
fn a_taken_port_is_refused_as_by_node() {
    let rpm = Rpm::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    start(&rpm, 2, &format!("env = {{ LISTEN = \"{port}\" }}\n"));
    assert_eq!(logged(&rpm, "error"), ["EADDRINUSE -98"; 2]);
}

#[test]
fn an_exclusive_server_is_the_workers_own() {
    let rpm = Rpm::new();
    start(&rpm, 2, "env = { EXCLUSIVE = \"1\" }\n");
    let ports: BTreeSet<_> = logged(&rpm, "listening").into_iter().collect();
    assert_eq!(ports.len(), 2);
}

#[test]
fn a_port_is_free_again_when_the_app_closes_it() {
    let rpm = Rpm::new();
    rpm.write(
        "again.js",
        "const server = require('node:net').createServer();
         server.listen(0, '127.0.0.1', () => {
           const { port } = server.address();
           server.close(() => require('node:net').createServer().listen({ port, host: '127.0.0.1', exclusive: true },
             () => console.log('listening', port)));
         });",
    );
    rpm.ok("start again.js --name web -i 1");
    logged(&rpm, "listening");
}

#[test]
fn only_the_worker_that_breaks_the_protocol_suffers() {
    // What the first worker does with its channel; `send` writes past Node.
    for (broken, reason) in [
        ("send('no json\\n')", "no JSON"),
        ("send('{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\"}\\n')", "lacks seq"),
        ("send('{\"cmd\":\"NODE_CLUSTER\",\"ack\":77,\"accepted\":true}\\n')", "connection 77"),
        ("send('{\"cmd\":\"NODE_HANDLE_ACK\"}\\n')", "a handle that it was not sent"),
        ("for (;;) send('x'.repeat(65536))", "a line over 4 MiB"),
    ] {
        let rpm = Rpm::new();
        rpm.write(
            "broken.js",
            &format!(
                "function send(text) {{
                   const bytes = Buffer.from(text);
                   for (let at = 0; at < bytes.length;) {{
                     try {{ at += require('node:fs').writeSync(3, bytes, at); }} catch {{}}
                   }}
                 }}
                 if (process.env.NODE_APP_INSTANCE === '0') {broken};
                 else require('./worker.js');"
            ),
        );
        rpm.ok("start broken.js --name web -i 2 --max-restarts 2");
        wait_until("the end of the first worker", || rpm.jlist()[0].status() == "errored");
        assert!(rpm.log("rpm").contains(reason), "{broken}: {}", rpm.log("rpm"));
        let second = &rpm.jlist()[1];
        let port = wait_for("its port", || {
            rpm.jlist()[1].log("out").strip_prefix("listening ")?.trim().parse().ok()
        });
        assert_eq!(who(&get(port, "/").unwrap()).0, second.pid());
        assert_eq!((second.restarts(), second.status()), (0, "online"));
    }
}

#[test]
fn a_worker_that_is_blocked_keeps_nobody_else_waiting() {
    let rpm = Rpm::new();
    start(&rpm, 2, "");
    let port = port(&rpm);
    std::thread::scope(|scope| {
        scope.spawn(|| get(port, "/block").unwrap_err());
        let blocked = |pid: &i32| {
            // Running, not sleeping: it has begun.
            std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") R "))
        };
        wait_until("a busy worker", || pids(&rpm).iter().any(blocked));
        // Of those that come now one at most waits for the blocked worker.
        let answers = (0..8).map(|_| {
            scope.spawn(move || {
                let _ = get(port, "/");
            })
        });
        let answers: Vec<_> = answers.collect();
        wait_until("answers", || answers.iter().filter(|answer| answer.is_finished()).count() >= 4);
        rpm.ok("delete web");
    });
}

#[test]
fn a_client_that_takes_nothing_keeps_nobody_else_waiting() {
    for balance in ["round_robin", "shared"] {
        let rpm = Rpm::new();
        start(&rpm, 1, &format!("cluster_balance = \"{balance}\"\n"));
        let port = port(&rpm);
        let mut idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
        idle.write_all(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        idle.read_exact(&mut [0]).unwrap();
        get(port, "/").unwrap();
    }
}

#[test]
fn a_connection_that_ends_its_worker_ends_no_other() {
    for end in ["process.exit(1)", "throw new Error('broken')"] {
        let rpm = Rpm::new();
        rpm.write(
            "ends.js",
            &format!(
                "require('node:net').createServer(() => {{ {end}; }}).listen(0, '127.0.0.1', function () {{
                   console.log('listening', this.address().port);
                 }});"
            ),
        );
        rpm.ok("start ends.js --name web -i 3");
        let mut client = TcpStream::connect(("127.0.0.1", port(&rpm))).unwrap();
        // Until all have let go of it, whether by an end or by a reset.
        let _ = client.read(&mut [0]);
        let restarts = || rpm.jlist().iter().map(Entry::restarts).sum::<i64>();
        wait_until("the restart", || restarts() > 0);
        assert_eq!(restarts(), 1);
    }
}

#[test]
fn a_daemon_without_descriptors_waits_for_some() {
    let rpm = Rpm::new();
    start(&rpm, 1, "");
    let port = port(&rpm);
    get(port, "/").unwrap();
    let daemon = rpm.daemon().unwrap();
    let limit = |limit: &str| {
        let limited = Command::new("prlimit")
            .args([&format!("--pid={daemon}"), &format!("--nofile={limit}:")])
            .status()
            .expect("prlimit is part of util-linux");
        assert!(limited.success());
    };
    limit("4");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| get(port, "/"));
        wait_until("the refusal", || rpm.log("rpm").contains("cannot accept a connection"));
        limit("1024");
        waiting.join().unwrap().unwrap();
    });
    assert!(rpm.log("rpm").matches("cannot accept a connection").count() < 50, "it does not spin");
}

#[test]
fn readiness_that_is_declared_counts_in_a_cluster_too() {
    let rpm = Rpm::new();
    rpm.write(
        "slow.js",
        "require('node:http').createServer((q, s) => s.end(`${process.pid} 0`)).listen(0, '127.0.0.1', function () {
           console.log('listening', this.address().port);
           process.on('message', () => process.send('ready'));
         });",
    );
    rpm.write(
        "web.toml",
        "[[apps]]\nname = \"web\"\nscript = \"slow.js\"\nexec_mode = \"cluster\"\ninstances = 1\nwait_ready = true\nlisten_timeout = \"30s\"\n",
    );
    let say = |rpm: &Rpm| {
        Raw::greet(rpm).ask(&json!({ "message": { "id": 0, "data": "go" } }));
    };
    let mut starting = rpm.start("start web.toml");
    let first = wait_for("the first worker", || rpm.jlist().first().map(Entry::pid).filter(|&pid| pid != 0));
    assert_eq!(rpm.entry("web").status(), "launching");
    port(&rpm);
    assert!(!starting.has_ended());
    say(&rpm);
    starting.output().ends_with(0);
    assert_eq!((rpm.entry("web").status(), rpm.entry("web").pid()), ("online", first));
}

#[test]
fn workers_end_with_a_daemon_that_is_killed_and_the_next_one_starts_them() {
    let rpm = Rpm::new();
    start(&rpm, 2, "");
    let before = pids(&rpm);
    port(&rpm);
    let daemon = rpm.daemon().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon), nix::sys::signal::SIGKILL).unwrap();
    // Node's own rule: a worker does not outlive its primary.
    rpm.wait_daemon_gone(daemon);
    wait_until("the end of the workers", || rpm.children().is_empty());
    rpm.ok("ping");
    wait_until("new workers", || {
        let now = pids(&rpm);
        now.len() == 2 && now.is_disjoint(&before) && !now.contains(&0)
    });
    let both = |entry: &Entry| entry.log("out").matches("listening").count() == 2;
    wait_until("both to listen again", || rpm.jlist().iter().all(both));
    get(port(&rpm), "/").unwrap();
}

#[test]
fn an_update_of_the_daemon_fails_no_request() {
    let rpm = Rpm::new();
    start(&rpm, 2, "");
    let (port, before, daemon) = (port(&rpm), pids(&rpm), rpm.daemon());
    let load = Load::start(port, 4);
    load.more(50);
    for _ in 0..3 {
        rpm.ok("update");
        load.more(50);
    }
    assert_eq!((rpm.daemon(), pids(&rpm)), (daemon, before.clone()), "the same processes go on");
    // The next image is as much of a primary.
    rpm.ok("reload web");
    load.more(50);
    rpm.ok("scale web 3");
    load.more(50);
    assert_eq!(load.failures(), [""; 0], "{}", rpm.log("rpm"));
    assert!(pids(&rpm).is_disjoint(&before));
    rpm.ok("delete web");
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free when nothing runs");
}
