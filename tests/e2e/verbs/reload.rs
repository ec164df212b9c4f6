//! `reload` and `startOr…`: a new run for what is there.

use std::fs;

use rpm_tests::Rpm;

#[test]
fn a_process_gets_a_new_run() {
    let rpm = Rpm::new();
    let before = rpm.forever("web", "");
    rpm.ok("reload web")
        .says("Use --update-env to update environment variables")
        .says("[RPM] Applying action reloadProcessId on app [web](ids: [ 0 ])")
        .says("[RPM] [web](0) ✓")
        .says_nothing_of("│");
    let after = rpm.entry("web");
    assert_ne!(after.pid(), before.pid());
    assert_eq!(after.restarts(), 1);
    rpm.ok("gracefulReload 0 --update-env").says("(ids: [ '0' ])").says_nothing_of("Use --update-env");
}

#[test]
fn what_is_not_there_is_said() {
    let rpm = Rpm::new();
    rpm.fails("reload all").complains("[RPM][WARN] No process found");
    rpm.forever("web", "");
    rpm.fails("reload nobody").complains("[RPM][ERROR] Process or Namespace nobody not found");
    rpm.fails("reload 7").complains("[RPM][ERROR] PM2 ID unknown");
    rpm.fails("reload web --env production")
        .complains("Using --env [env] without passing the ecosystem.config.js");
    assert_eq!(rpm.entry("web").restarts(), 0);
}

#[test]
fn a_second_reload_waits_for_the_first() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let lock = rpm.home().join("reload.lock");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    fs::write(&lock, now.to_string()).unwrap();
    rpm.fails("reload web").complains("[RPM][ERROR] Reload already in progress, please try again in ");
    assert_eq!(rpm.entry("web").restarts(), 0);
    rpm.ok("reload web --force");
    assert_eq!(fs::read_to_string(&lock).unwrap(), "", "it is free again");
    fs::write(&lock, (now - 60_000).to_string()).unwrap();
    rpm.ok("reload web");
    assert_eq!(rpm.entry("web").restarts(), 2);
}

#[test]
fn apps_of_a_file_are_started_or_get_a_new_run() {
    let rpm = Rpm::new();
    rpm.write(
        "two.toml",
        "[[apps]]\nname = \"a\"\nscript = \"forever.sh\"\n[[apps]]\nname = \"b\"\nscript = \"forever.sh\"\n",
    );
    let first = rpm.forever("a", "");
    for (round, (verb, method)) in [
        ("startOrRestart", "restartProcessId"),
        ("startOrReload", "reloadProcessId"),
        ("startOrGracefulReload", "reloadProcessId"),
        ("reload", "reloadProcessId"),
    ]
    .into_iter()
    .enumerate()
    {
        let said = rpm.ok(&format!("{verb} two.toml"));
        said.says(&format!("Applying action {method} on app [a](ids: [ 0 ])"));
        assert_eq!(said.stdout.contains("App [b] launched (1 instances)"), round == 0, "{said}");
        assert_eq!(rpm.entry("a").restarts(), round as i64 + 1);
    }
    assert_ne!(rpm.entry("a").pid(), first.pid());
    rpm.fails("startOrRestart nowhere.toml").complains("nowhere.toml");
}
