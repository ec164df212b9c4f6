//! Cluster mode under HTTPS and HTTP/2: the daemon hands connections on and knows nothing of what is said on them.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use rpm_tests::{Entry, Rpm, Running, repository, wait_for};

fn start(rpm: &Rpm) -> [String; 2] {
    let fixtures = repository().join("tests/fixtures/tls");
    let app = format!(
        "[[apps]]\nname = \"web\"\nscript = {:?}\nexec_mode = \"cluster\"\ninstances = 2\nlisten_timeout = \"30s\"\n",
        fixtures.join("server.js").display().to_string()
    );
    rpm.write("web.toml", &app);
    rpm.ok("start web.toml");
    let told = |entry: &Entry| {
        let log = entry.log("out");
        let ports = log.lines().rfind(|line| line.starts_with("listening"))?.split(' ').skip(1);
        ports.map(str::to_owned).collect::<Vec<_>>().try_into().ok()
    };
    let mut ports: Vec<[String; 2]> =
        wait_for("both workers", || rpm.jlist().iter().map(told).collect::<Option<_>>());
    ports.dedup();
    assert_eq!(ports.len(), 1, "they share their ports");
    ports.remove(0)
}

fn client(rpm: &Rpm, ports: &[String; 2], least: usize) -> Running {
    let mut command = Command::new("node");
    command.arg(repository().join("tests/fixtures/tls/client.js")).args(ports).arg(least.to_string());
    command.current_dir(rpm.dir()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::start(command)
}

#[test]
fn both_workers_answer_in_both_versions() {
    let rpm = Rpm::new();
    let ports = start(&rpm);
    rpm.write("enough", "");
    let told = client(&rpm, &ports, 10).output();
    told.ends_with(0);
    let answers: BTreeSet<&str> = told.stdout.lines().collect();
    let expected: BTreeSet<String> = rpm
        .jlist()
        .iter()
        .flat_map(|worker| ["1.1", "2.0"].map(|v| format!("{} {v}", worker.pid())))
        .collect();
    assert_eq!(answers, expected.iter().map(String::as_str).collect());
}

#[test]
fn a_reload_fails_no_request() {
    let rpm = Rpm::new();
    let ports = start(&rpm);
    let client = client(&rpm, &ports, 1);
    client.shows("2.0");
    let before: Vec<i32> = rpm.jlist().iter().map(Entry::pid).collect();
    rpm.ok("reload web");
    let after: Vec<i32> = rpm.jlist().iter().map(Entry::pid).collect();
    for pid in &after {
        assert!(!before.contains(pid), "{pid} is still the old one");
        client.shows(&format!("{pid} 2.0"));
    }
    rpm.write("enough", "");
    client.output().ends_with(0);
}
