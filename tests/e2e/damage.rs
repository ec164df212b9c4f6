//! Files of the home that were damaged on the disk.

use std::fs;

use nix::sys::signal::Signal;
use rpm_tests::{Rpm, signal, wait_until};

/// Flips a bit in the first place of a file of the home that has `text`, `offset` bytes behind its beginning.
fn flip(rpm: &Rpm, file: &str, text: &str, offset: usize) {
    let path = rpm.home().join(file);
    let mut bytes = fs::read(&path).unwrap();
    let place =
        bytes.windows(text.len()).position(|part| part == text.as_bytes()).expect("it has that") + offset;
    bytes[place] ^= 1;
    fs::write(&path, bytes).unwrap();
}

#[test]
fn what_runs_without_a_record_is_reported_and_not_started_twice() {
    let rpm = Rpm::new();
    rpm.script("app.sh", "while :; do read -rt 60; done");
    rpm.ok("start app.sh --name lost");
    rpm.ok("start app.sh --name kept -- x");
    let (lost, children) = (rpm.entry("lost").pid(), rpm.children());
    rpm.lose_daemon();
    flip(&rpm, "state/journal", "\"name\":\"lost\"", 9);
    rpm.ok("ping");
    assert_eq!(rpm.statuses(), ["kept:online"]);
    rpm.run("doctor").says(&format!("processes of app \"lost\" run (pids {lost})"));
    let refused = rpm.fails("start app.sh --name lost");
    refused.complains("its record was lost").complains(&format!("kill {lost}"));
    assert_eq!(rpm.children(), children);
    // Nothing else gets its number, by which its processes would be taken for that one's.
    rpm.ok("start app.sh --name other -- y");
    rpm.ok("delete other");
    assert_eq!(rpm.children(), children);
    signal(lost, Signal::SIGKILL);
    wait_until("its end", || rpm.children().len() == 1);
    rpm.ok("start app.sh --name lost");
    assert!(rpm.run("doctor").says_nothing_of("is in the list").code.is_some());
    rpm.ok("kill");
}

#[test]
fn a_format_that_a_flipped_bit_made_newer_stops_nothing() {
    let rpm = Rpm::new();
    let web = rpm.forever("web", "");
    rpm.lose_daemon();
    flip(&rpm, "state/journal", "\"format\":2", 9);
    assert_eq!(rpm.entry("web").pid(), web.pid());
    rpm.ok("kill");
    // Nor one in the name of the boot.
    let web = rpm.forever("web", "");
    rpm.lose_daemon();
    flip(&rpm, "state/journal", "\"boot\":\"", 10);
    assert_eq!(rpm.entry("web").pid(), web.pid());
    rpm.ok("kill");
}

#[test]
fn a_saved_list_with_a_flipped_bit_is_not_believed() {
    for rpm in [Rpm::new(), Rpm::pm2()] {
        rpm.forever("first", "");
        rpm.ok("save");
        rpm.forever("second", "");
        rpm.ok("save");
        rpm.run("doctor").says_nothing_of("damaged");
        rpm.ok("kill");
        let dump = if rpm.home().join("dump.rpm").exists() { "dump.rpm" } else { "dump.pm2" };
        flip(&rpm, dump, "second", 0);
        // It has not been written since the sums were.
        let sums = rpm.home().join("state/dump.sums");
        fs::write(&sums, fs::read(&sums).unwrap()).unwrap();
        rpm.run("doctor").says("was damaged on the disk");
        rpm.ok("resurrect");
        assert_eq!(rpm.statuses(), ["first:online"]);
        rpm.ok("kill");
    }
}

#[test]
fn a_saved_list_that_another_program_wrote_is_believed() {
    let rpm = Rpm::pm2();
    rpm.forever("first", "");
    rpm.ok("save");
    rpm.ok("kill");
    let text = fs::read_to_string(rpm.home().join("dump.pm2")).unwrap();
    let sums = fs::metadata(rpm.home().join("state/dump.sums")).unwrap();
    wait_until("a list that is newer than the sums", || {
        use std::os::unix::fs::MetadataExt;
        fs::write(rpm.home().join("dump.pm2"), text.replace("\"first\"", "\"theirs\"")).unwrap();
        let list = fs::metadata(rpm.home().join("dump.pm2")).unwrap();
        (list.ctime(), list.ctime_nsec()) > (sums.ctime(), sums.ctime_nsec())
    });
    rpm.run("doctor").says("has no sum against damage");
    rpm.ok("resurrect");
    assert_eq!(rpm.statuses(), ["theirs:online"]);
    rpm.ok("kill");
}

#[test]
fn a_run_whose_record_was_lost_is_found_whatever_its_number() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("restart web");
    rpm.lose_daemon();
    // The next daemon writes the journal anew: one record of each life.
    rpm.ok("ping");
    let web = rpm.entry("web");
    rpm.lose_daemon();
    flip(&rpm, "state/journal", "{\"life\":{", 3);
    let now = rpm.entry("web");
    assert_eq!((now.pid(), now.restarts()), (web.pid(), 1));
    assert_eq!(rpm.children().len(), 1);
    rpm.ok("kill");
}
