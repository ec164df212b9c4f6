//! `resurrect`: the saved list runs again.

use std::fs;

use rpm_tests::Rpm;

/// What a table says that is the same in two lives: id, name, namespace, status, script, arguments, instance.
fn table(rpm: &Rpm) -> Vec<String> {
    rpm.jlist()
        .iter()
        .map(|entry| {
            let fields = [
                "namespace",
                "status",
                "pm_exec_path",
                "pm_cwd",
                "args",
                "NODE_APP_INSTANCE",
                "cron_restart",
            ];
            let fields: Vec<_> = fields.iter().map(|field| entry.get(field).to_string()).collect();
            format!("{} {} {}", entry.id(), entry.name(), fields.join(" "))
        })
        .collect()
}

#[test]
fn save_kill_resurrect_gives_the_same_table() {
    let rpm = Rpm::new();
    rpm.write(
        "eco.toml",
        r#"
        [[apps]]
        name = "web"
        script = "forever.sh"
        namespace = "front"
        args = "one 'two three'"
        instances = 2
        env = { COLOUR = "red" }
        [[apps]]
        name = "rests"
        script = "forever.sh"
        autostart = false
        [[apps]]
        name = "task"
        script = "true"
        autorestart = false
        cron_restart = "0 0 1 1 *"
        [[apps]]
        name = "stopped"
        script = "forever.sh"
        "#,
    );
    rpm.ok("start eco.toml");
    rpm.ok("stop stopped");
    rpm.wait_status("task", "stopped");
    let before = table(&rpm);
    rpm.ok("save");
    rpm.ok("kill");
    rpm.ok("resurrect").says(&format!("[RPM] Process {} restored", rpm.path("forever.sh").display()));
    assert_eq!(table(&rpm), before);
    assert_eq!(rpm.jlist()[0].environ()["COLOUR"], "red");
}

#[test]
fn it_starts_a_daemon_and_only_what_is_missing() {
    let rpm = Rpm::new();
    rpm.ok("start forever.sh --name web -i 3");
    rpm.forever("api", "");
    rpm.ok("save");
    rpm.ok("delete 1 api");
    let pids: Vec<_> = rpm.jlist().iter().map(|entry| entry.pid()).collect();
    rpm.ok("resurrect");
    let after = rpm.jlist();
    assert_eq!(after.len(), 4);
    assert_eq!([after[0].pid(), after[1].pid()].as_slice(), pids.as_slice());
    let numbers: Vec<_> = after[..3].iter().map(|entry| entry.number("NODE_APP_INSTANCE")).collect();
    assert_eq!(numbers, [0, 2, 1]);
    rpm.ok("resurrect");
    assert_eq!(rpm.jlist().len(), 4);
}

#[test]
fn without_a_dump_it_says_so() {
    let rpm = Rpm::new();
    rpm.ok("resurrect").complains("[RPM][ERROR] No processes saved; DUMP file doesn't exist");
}

#[test]
fn a_damaged_dump_is_neither_used_nor_removed() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("save");
    rpm.ok("kill");
    let dump = rpm.home().join("dump.rpm");
    let text = fs::read(&dump).unwrap();
    fs::write(&dump, &text[..text.len() / 2]).unwrap();
    rpm.fails("resurrect").complains("dump.rpm");
    assert_eq!(fs::read(&dump).unwrap().len(), text.len() / 2);
    assert!(rpm.jlist().is_empty());
    // The list before it serves.
    fs::write(rpm.home().join("dump.rpm.bak"), &text).unwrap();
    rpm.ok("resurrect");
    assert_eq!(rpm.statuses(), ["web:online"]);
}
