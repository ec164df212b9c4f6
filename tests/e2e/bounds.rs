//! One app cannot take the daemon from the others, whatever it sends.

use std::{
    fs,
    os::linux::net::SocketAddrExt,
    os::unix::net::{SocketAddr, UnixDatagram},
    process::Command,
};

use rpm_tests::{Raw, Rpm, wait_until};
use serde_json::json;

/// Sends each message as a line on the channel, past Node where that would refuse it.
const FLOOD: &str = r"
const fs = require('node:fs');
function write(text) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try { at += fs.writeSync(Number(process.env.CHANNEL), bytes, at); } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}
const send = (type, data) => write(JSON.stringify({ type, data }) + '\n');
const nested = (levels) => '['.repeat(levels) + ']'.repeat(levels);
";

/// Starts an app that floods its channel with what `script` sends, and then says `done` as a metric.
fn flood(rpm: &Rpm, script: &str) {
    let end = "send('axm:monitor', { load: 1 }); send('done', 1); setInterval(() => {}, 1e6);";
    let setup = FLOOD.replace("process.env.CHANNEL", "channel");
    rpm.write("flood.js", &format!("const channel = 3;{setup}{script}\n{end}"));
    rpm.ok("start flood.js --name flood");
}

/// All verbs that show processes work, and what they show is short.
#[track_caller]
fn is_usable(rpm: &Rpm) {
    for verb in ["jlist", "prettylist", "describe flood", "list", "env 0"] {
        let output = rpm.ok(verb);
        assert!(output.stdout.len() < 4 << 20, "{verb}: {} bytes", output.stdout.len());
    }
    assert_eq!(rpm.entry("web").status(), "online");
}

#[test]
fn what_an_app_says_about_itself_is_limited() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    flood(
        &rpm,
        "for (let i = 0; i < 5000; i++) send('axm:action', { action_name: `a${i}`, comment: 'c'.repeat(1500) });
         for (let i = 0; i < 5000; i++) send('axm:monitor', { [`m${i}`]: { value: 'v'.repeat(1500) } });
         for (let i = 0; i < 5000; i++) send('axm:option:configuration', { [`o${i}`]: 'v'.repeat(1500) });
         send('axm:monitor', { m0: 'x'.repeat(4000000) });
         write(`{\"type\":\"axm:monitor\",\"data\":{\"m1\":${nested(120)}}}\\n`);
         write(`{\"type\":\"axm:action\",\"data\":{\"action_name\":${nested(120)}}}\\n`);
         write(`{\"node_version\":\"${'9'.repeat(4000000)}\"}\\n`);
         send('axm:monitor', { m2: 'the last one' });",
    );
    let monitor = |rpm: &Rpm| rpm.entry("flood").get("axm_monitor").clone();
    wait_until("the last metric", || monitor(&rpm)["m2"] == "the last one");
    is_usable(&rpm);
    let entry = rpm.entry("flood");
    assert_eq!(entry.get("axm_actions").as_array().map(Vec::len), Some(256));
    assert_eq!(entry.get("axm_monitor")["m0"], json!(null), "a value that was replaced is not shown");
    let log = rpm.log("rpm");
    assert_eq!(log.matches("sends too much on its IPC channel").count(), 1, "{log}");
}

#[test]
fn a_line_without_an_end_costs_the_app_its_channel_only() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    flood(&rpm, "try { for (;;) write('x'.repeat(65536)); } catch {}");
    wait_until("the end of the channel", || rpm.log("rpm").contains("a line over 4 MiB"));
    is_usable(&rpm);
}

#[test]
fn messages_of_an_app_cut_no_listener_off() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let mut slow = Raw::greet(&rpm);
    slow.say(&json!("subscribe"));
    assert_eq!(rpm.run("ping").code, Some(0));
    let daemon = rpm.daemon().unwrap();
    flood(
        &rpm,
        "for (let i = 0; i < 40; i++) send('mine', 'x'.repeat(1 << 20));
         for (let i = 0; i < 20000; i++) send('mine', i);
         send('mine', Array(1 << 20).fill(0));
         write(`{\"type\":\"mine\",\"data\":${nested(120)}}\\n`);",
    );
    wait_until("the end of the flood", || rpm.entry("flood").get("axm_monitor")["load"] == json!(1));
    let status = fs::read_to_string(format!("/proc/{daemon}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    assert!(peak < 400 << 10, "the daemon took {peak} kB");
    rpm.ok("stop web");
    // It reads only now, and still hears of what happened.
    while slow.hear().expect("it was not cut off")["event"]["what"] != "stopped" {}
    is_usable_after_stop(&rpm);
}

#[track_caller]
fn is_usable_after_stop(rpm: &Rpm) {
    assert_eq!(rpm.entry("web").status(), "stopped");
    assert_eq!(rpm.entry("flood").status(), "online");
}

#[test]
fn an_app_cannot_take_all_descriptors_of_the_daemon() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.write(
        "ports.js",
        "const refused = new Set();
         for (let i = 0; i < 400; i++) {
           require('node:net').createServer()
             .on('error', (error) => { refused.add(i); if (refused.size === 144) console.log(error.code); })
             .listen(0, '127.0.0.1');
         }",
    );
    rpm.ok("start ports.js --name ports -i 1");
    wait_until("the refusal", || rpm.entry("ports").log("out").contains("EMFILE"));
    let open = fs::read_dir(format!("/proc/{}/fd", rpm.daemon().unwrap())).unwrap().count();
    assert!(open < 256 + 64, "{open} descriptors");
}

/// Any user may send to an abstract name.
#[test]
fn strangers_do_not_fill_the_daemons_log() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let rpm = Rpm::new();
    let app = "[[apps]]\nname = 'app'\nscript = 'forever.sh'\nwatchdog = '1h'\n";
    rpm.write("eco.toml", app);
    rpm.ok("start eco.toml");
    let name = rpm.entry("app").environ()["NOTIFY_SOCKET"].clone();
    let send = "const { spawnSync } = require('node:child_process');
        spawnSync('python3', ['-c', `import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for i in range(50): s.sendto(b'STATUS=forged', '\\\\0' + '${process.argv[1].slice(1)}')`], { stdio: 'inherit' });";
    let status = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "node", "-e", send, &name])
        .current_dir("/")
        .status();
    assert!(status.unwrap().success());
    wait_until("the warning", || rpm.log("rpm").contains("notifications of user 65534"));
    // The daemon reads in order: when it has read this one, it has read all before.
    let own = UnixDatagram::unbound().unwrap();
    own.connect_addr(&SocketAddr::from_abstract_name(name.trim_start_matches('@')).unwrap()).unwrap();
    own.send(b"STATUS=genuine").unwrap();
    wait_until("the status", || rpm.ok("describe app").stdout.contains("genuine"));
    assert_eq!(rpm.log("rpm").matches("user 65534").count(), 1);
    rpm.ok("describe app").says_nothing_of("forged");
}
