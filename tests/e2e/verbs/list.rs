//! `list` and its other names.

use rpm_tests::Rpm;

/// What does not change from one look to the next: all but uptime, cpu and memory.
fn lasting(table: &str) -> Vec<Vec<String>> {
    table
        .lines()
        .filter(|line| line.starts_with('│'))
        .map(|line| {
            let cells: Vec<_> = line.split('│').map(|cell| cell.trim().to_owned()).collect();
            [&cells[1..7], &cells[8..10], &cells[12..14]].concat()
        })
        .collect()
}

#[test]
fn the_columns_are_pm2s() {
    let rpm = Rpm::new();
    let web = rpm.forever("web", "--namespace front");
    rpm.forever("api", "");
    rpm.ok("stop api");
    let output = rpm.ok("list");
    let header = "│ id │ name ";
    output.says(header);
    let heads: Vec<_> = output
        .stdout
        .lines()
        .find(|line| line.starts_with(header))
        .unwrap()
        .split('│')
        .map(str::trim)
        .filter(|head| !head.is_empty())
        .collect();
    assert_eq!(
        heads,
        [
            "id",
            "name",
            "namespace",
            "version",
            "mode",
            "pid",
            "uptime",
            "↺",
            "status",
            "cpu",
            "mem",
            "user",
            "watching"
        ]
    );
    let rows = lasting(&output.stdout);
    // By name, as in PM2.
    let pid = web.pid().to_string();
    assert_eq!(rows[1][..6], ["1", "api", "default", "N/A", "fork", "0"].map(String::from));
    assert_eq!(rows[1][7], "stopped");
    assert_eq!(rows[2][..6], ["0", "web", "front", "N/A", "fork", pid.as_str()].map(String::from));
    assert_eq!(rows[2][7], "online");
    assert!(!output.stdout.contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn every_name_of_it_shows_the_same() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let list = lasting(&rpm.ok("list").stdout);
    assert_eq!(list.len(), 2, "{list:?}");
    for alias in ["ls", "l", "ps", "status"] {
        assert_eq!(lasting(&rpm.ok(alias).stdout), list, "{alias}");
    }
}

#[test]
fn an_empty_list_is_a_header() {
    let rpm = Rpm::new();
    let without_daemon = rpm.ok("list");
    without_daemon.says("│ id ");
    assert_eq!(lasting(&without_daemon.stdout).len(), 1);
    rpm.forever("web", "");
    rpm.ok("delete all");
    assert_eq!(rpm.ok("list").stdout, without_daemon.stdout);
}

#[test]
fn it_can_be_sorted() {
    let rpm = Rpm::new();
    rpm.forever("a", "");
    rpm.forever("c", "");
    rpm.forever("b", "");
    let order = |line: &str| {
        lasting(&rpm.ok(line).stdout).iter().skip(1).map(|row| row[1].clone()).collect::<String>()
    };
    assert_eq!(order("list"), "abc");
    assert_eq!(order("list --sort name:desc"), "cba");
    assert_eq!(order("list --sort id"), "acb");
}

#[test]
fn a_mini_list_is_lines() {
    let rpm = Rpm::new();
    let web = rpm.forever("web", "");
    rpm.ok("list -m")
        .says("+--- web\n")
        .says("namespace : default\n")
        .says(&format!("pid : {}\n", web.pid()))
        .says("pm2 id : 0\n")
        .says("status : online\n")
        .says("mode : fork\n")
        .says("restarted : 0\n")
        .says("watching : no\n");
}

#[test]
fn silence_leaves_only_data() {
    let rpm = Rpm::new();
    assert_eq!(rpm.ok("start forever.sh --silent").stdout, "");
    assert_eq!(rpm.ok("list -s").stdout, "");
    let output = rpm.fails("stop nobody --silent");
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    assert!(rpm.ok("jlist --silent").stdout.starts_with('['));
}
