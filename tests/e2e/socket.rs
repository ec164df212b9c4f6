//! The socket under clients that are broken or hostile. After each of them the daemon still answers.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use rpm_tests::{Raw, Rpm, Running};
use serde_json::{Value, json};

/// A home with a daemon.
fn up() -> Rpm {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm
}

/// It answers the next client, and is the one that it was.
#[track_caller]
fn still_up(rpm: &Rpm, daemon: Option<i32>) {
    assert_eq!(Raw::greet(rpm).ask(&json!("ping")), [json!("pong"), json!("end")]);
    assert_eq!(rpm.daemon(), daemon);
    assert_eq!(rpm.statuses(), ["web:online"]);
}

/// The connection ends, perhaps after a word about the reason.
fn last_word(mut raw: Raw) -> Option<Value> {
    let mut last = None;
    while let Some(message) = raw.hear() {
        last = Some(message);
    }
    last
}

#[test]
fn a_request_is_answered() {
    let rpm = up();
    let mut raw = Raw::greet(&rpm);
    assert_eq!(raw.ask(&json!("ping")), [json!("pong"), json!("end")]);
    let replies = raw.ask(&json!("list"));
    assert_eq!(replies[0]["rows"][0]["name"], "web");
    assert_eq!(replies.last(), Some(&json!("end")));
}

#[test]
fn the_daemon_says_who_it_is() {
    let rpm = up();
    let hello = Raw::connect(&rpm).hear().unwrap();
    assert_eq!(hello["pid"], rpm.daemon().unwrap());
    assert_eq!(hello["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn random_bytes() {
    let rpm = up();
    let daemon = rpm.daemon();
    // A generator of our own, so that a failure can be repeated.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..50 {
        let mut garbage = vec![0; 300];
        for byte in &mut garbage {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        // A short length, so that not all of them are refused for theirs.
        garbage[1..4].fill(0);
        let mut raw = Raw::connect(&rpm);
        // It may have been cut off while it was still sending.
        let _ = raw.send(&garbage);
        last_word(raw);
    }
    still_up(&rpm, daemon);
}

#[test]
fn a_frame_that_claims_four_gigabytes() {
    let rpm = up();
    let daemon = rpm.daemon();
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.unwrap())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = memory();
    let mut stranger = Raw::connect(&rpm);
    stranger.send(&[0xff; 4]).unwrap();
    let mut friend = Raw::greet(&rpm);
    friend.send(&[0xff; 4]).unwrap();
    for raw in [stranger, friend] {
        let word = last_word(raw).unwrap();
        assert!(word["failed"]["bad_request"].as_str().is_some_and(|text| text.contains("limit")), "{word}");
    }
    // 15 MiB are allowed, and cost nothing until they come.
    let mut raw = Raw::greet(&rpm);
    raw.send(&(15_u32 << 20).to_le_bytes()).unwrap();
    raw.send(b"[").unwrap();
    still_up(&rpm, daemon);
    assert!(memory() < before + 8 * 1024, "{before} kB, then {} kB", memory());
}

#[test]
fn json_that_is_no_request() {
    let rpm = up();
    let daemon = rpm.daemon();
    for message in
        [json!(null), json!([]), json!({}), json!("fly"), json!({ "start": 7 }), json!({ "act": {} })]
    {
        let mut raw = Raw::greet(&rpm);
        raw.say(&message);
        let word = last_word(raw).unwrap();
        assert!(word["failed"]["bad_request"].is_string(), "{message}: {word}");
    }
    let mut raw = Raw::greet(&rpm);
    raw.send(&[[5, 0, 0, 0].as_slice(), b"\"pin"].concat()).unwrap();
    raw.send(b"\xff").unwrap();
    assert!(last_word(raw).unwrap()["failed"]["bad_request"].is_string());
    still_up(&rpm, daemon);
}

#[test]
fn deeply_nested_json() {
    let rpm = up();
    let daemon = rpm.daemon();
    let mut raw = Raw::greet(&rpm);
    let payload = "[".repeat(1 << 20);
    raw.send(&(payload.len() as u32).to_le_bytes()).unwrap();
    let _ = raw.send(payload.as_bytes());
    last_word(raw);
    still_up(&rpm, daemon);
}

#[test]
fn clients_that_hang() {
    let rpm = up();
    let daemon = rpm.daemon();
    let silent = Raw::connect(&rpm);
    let mut half_a_length = Raw::connect(&rpm);
    half_a_length.send(&[9, 0]).unwrap();
    let mut half_a_frame = Raw::greet(&rpm);
    half_a_frame.send(&[6, 0, 0, 0, b'"', b'p']).unwrap();
    let mut half_a_start = Raw::greet(&rpm);
    half_a_start.send(&[0, 0, 1, 0, b'{']).unwrap();
    still_up(&rpm, daemon);
    drop((silent, half_a_length, half_a_frame, half_a_start));
    still_up(&rpm, daemon);
}

#[test]
fn a_client_that_hangs_within_a_frame_is_cut_off() {
    let rpm = up();
    let daemon = rpm.daemon();
    let mut raw = Raw::greet(&rpm);
    raw.send(&[6, 0, 0, 0, b'"', b'p']).unwrap();
    // Longer than the daemon's patience, shorter than the limit of a test.
    assert_eq!(last_word(raw), None);
    still_up(&rpm, daemon);
}

#[test]
fn a_client_that_asks_and_does_not_listen() {
    let rpm = up();
    let daemon = rpm.daemon();
    let mut raws: Vec<_> = (0..20).map(|_| Raw::greet(&rpm)).collect();
    for raw in &mut raws {
        let describe = Raw::frame(&json!({ "describe": null }));
        raw.send(&describe).unwrap();
    }
    still_up(&rpm, daemon);
    drop(raws);
    still_up(&rpm, daemon);
}

#[test]
fn two_hundred_clients_at_once() {
    let rpm = up();
    let daemon = rpm.daemon();
    let mut raws: Vec<_> = (0..200).map(|_| Raw::connect(&rpm)).collect();
    for raw in &mut raws {
        raw.say(&Raw::hello());
        raw.say(&json!("list"));
    }
    for raw in &mut raws {
        assert_eq!(raw.hear().unwrap()["pid"], daemon.unwrap());
        assert_eq!(raw.hear().unwrap()["rows"][0]["name"], "web");
        assert_eq!(raw.hear().unwrap(), json!("end"));
    }
    still_up(&rpm, daemon);
}

#[test]
fn another_version_of_the_protocol() {
    let rpm = up();
    let daemon = rpm.daemon();
    let mut raw = Raw::connect(&rpm);
    raw.say(&json!({ "protocol": 999, "version": "99.0.0", "pid": 1 }));
    // It could ask to take the daemon's place, and for nothing else.
    raw.say(&json!("list"));
    let word = last_word(raw).unwrap();
    assert!(word["failed"]["other_protocol"].is_string(), "{word}");
    still_up(&rpm, daemon);
}

/// Only root can be somebody else; anybody else proves nothing here.
#[test]
fn another_user_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let rpm = up();
    // As careless as can be: the files let everybody in, the daemon does not.
    for (path, mode) in [(rpm.home().parent().unwrap(), 0o755), (&rpm.home(), 0o755), (&rpm.socket(), 0o666)]
    {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let mut command = Command::new("setpriv");
    let program = "require('net').connect(process.argv[1]).on('data', (data) => console.log(String(data)))";
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "node", "-e", program])
        .arg(rpm.socket());
    command.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::start(command).output().ends_with(0).says("not_yours").says_nothing_of("web");
    still_up(&rpm, rpm.daemon());
}

#[test]
fn events_come_to_those_who_listen() {
    let rpm = up();
    let mut raw = Raw::greet(&rpm);
    raw.say(&json!("subscribe"));
    // The next verb is served after the subscription: requests of one connection and of others are taken in order.
    let mut kinds = Vec::new();
    rpm.ok("restart web");
    while kinds.last() != Some(&json!("online")) {
        let reply = raw.hear().unwrap();
        assert_eq!(reply["event"]["process"], json!({ "id": 0, "name": "web" }));
        kinds.push(reply["event"]["what"].clone());
    }
    assert!(kinds[0]["exit"].is_object(), "{kinds:?}");
}
