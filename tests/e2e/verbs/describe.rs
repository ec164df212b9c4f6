//! `describe` and its other names.

use rpm_tests::Rpm;

/// The cells of the row that begins with `key`.
fn cell(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut cells = line.split('│').map(str::trim).skip(1);
        (cells.next()? == key).then(|| cells.next().unwrap_or_default().to_owned())
    })
}

#[test]
fn it_shows_all_that_pm2_shows() {
    let rpm = Rpm::new();
    let pid = rpm.forever("web", "--namespace front --interpreter-args -e -- x y").pid();
    assert!(pid > 0);
    let output = rpm.ok("describe web");
    output.says("Describing process with id 0 - name web");
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    for (key, value) in [
        ("status", "online".to_owned()),
        ("name", "web".to_owned()),
        ("namespace", "front".to_owned()),
        ("version", "N/A".to_owned()),
        ("restarts", "0".to_owned()),
        ("script path", path(rpm.path("forever.sh"))),
        ("script args", "x y".to_owned()),
        ("error log path", path(rpm.home().join("logs/web-error.log"))),
        ("out log path", path(rpm.home().join("logs/web-out.log"))),
        ("pid path", path(rpm.home().join("pids/web-0.pid"))),
        ("interpreter", "bash".to_owned()),
        ("interpreter args", "-e".to_owned()),
        ("script id", "0".to_owned()),
        ("exec cwd", path(rpm.dir())),
        ("exec mode", "fork_mode".to_owned()),
        ("watch & reload", "✘".to_owned()),
        ("unstable restarts", "0".to_owned()),
    ] {
        assert_eq!(cell(&output.stdout, key), Some(value), "{key} of {output}");
    }
    assert!(cell(&output.stdout, "created at").is_some_and(|at| at.starts_with("20") && at.ends_with('Z')));
}

#[test]
fn its_other_names_do_the_same() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    for alias in ["desc", "info", "show"] {
        rpm.ok([alias, "web"]).says("Describing process with id 0 - name web");
        rpm.ok([alias, "0"]).says("Describing process with id 0 - name web");
    }
}

#[test]
fn each_instance_has_its_block() {
    let rpm = Rpm::new();
    rpm.forever("other", "");
    rpm.ok("start forever.sh --name web -i 2");
    rpm.ok("describe web")
        .says("Describing process with id 1 - name web")
        .says("Describing process with id 2 - name web")
        .says_nothing_of("name other");
}

#[test]
fn a_schedule_shows_its_next_tick() {
    let rpm = Rpm::new();
    rpm.ok(["start", "forever.sh", "--name", "web", "--cron", "30 4 1 1 *"]);
    let output = rpm.ok("describe web");
    assert_eq!(cell(&output.stdout, "cron restart").as_deref(), Some("30 4 1 1 *"), "{output}");
    output.says("-01-01");
}

#[test]
fn why_it_is_errored_is_told() {
    let rpm = Rpm::new();
    rpm.write("eco.toml", "[[apps]]\nname = 'a'\nscript = 'forever.sh'\ninterpreter = 'no-such-thing'\n");
    rpm.run("start eco.toml");
    rpm.ok("describe a").says("errored").says("no-such-thing");
}

#[test]
fn what_is_not_there_is_named() {
    let rpm = Rpm::new();
    rpm.fails("describe nobody").complains("[RPM][WARN] nobody doesn't exist");
    rpm.forever("web", "");
    rpm.fails("describe nobody").complains("[RPM][WARN] nobody doesn't exist");
    rpm.fails("describe 7").complains("[RPM][WARN] 7 doesn't exist");
}
