//! `apply`: what runs agrees with the file, and nothing else is touched.

use rpm_tests::Rpm;

const FILE: &str = r#"
[[apps]]
name = "same"
script = "forever.sh"

[[apps]]
name = "changed"
script = "forever.sh"
env = { PORT = 1, GONE = 1 }

[[apps]]
name = "more"
script = "forever.sh"
instances = 1
"#;

#[test]
fn only_what_differs_is_touched() {
    let rpm = Rpm::new();
    rpm.write("e.toml", FILE);
    rpm.ok("apply e.toml").says("start   same").says("start   more");
    rpm.forever("other", "");
    let before = rpm.jlist();
    rpm.ok("apply e.toml").says("keep    same").says("Nothing to do");
    rpm.write(
        "e.toml",
        &FILE.replace("PORT = 1, GONE = 1", "PORT = 2").replace("instances = 1", "instances = 2"),
    );
    let dry = rpm.run("apply e.toml --dry-run --prune");
    dry.ends_with(2);
    dry.says("restart changed: env.GONE, env.PORT")
        .says("scale   more: 1 -> 2 processes")
        .says("stop    other");
    let pids = |list: &[rpm_tests::Entry]| list.iter().map(rpm_tests::Entry::pid).collect::<Vec<_>>();
    assert_eq!(pids(&rpm.jlist()), pids(&before), "a dry run does nothing");
    rpm.ok("apply e.toml --prune");
    let after = rpm.jlist();
    let names: Vec<_> = after.iter().map(rpm_tests::Entry::name).collect();
    assert_eq!(names, ["same", "changed", "more", "more"]);
    assert_eq!(after[0].pid(), before[0].pid());
    assert_ne!(after[1].pid(), before[1].pid());
    assert_eq!(after[2].pid(), before[2].pid(), "scaling touches nobody");
    let environ = after[1].environ();
    assert_eq!((environ.get("PORT").map(String::as_str), environ.get("GONE")), (Some("2"), None));
}

#[test]
fn what_rests_is_started_and_tasks_are_left_to_their_schedule() {
    let rpm = Rpm::new();
    rpm.write("e.toml", "[[apps]]\nname = \"web\"\nscript = \"forever.sh\"\n[[apps]]\nname = \"task\"\nscript = \"forever.sh\"\nautorestart = false\n");
    rpm.ok("apply e.toml");
    rpm.ok("stop all");
    rpm.ok("apply e.toml").says("start   web").says("keep    task");
    assert_eq!(rpm.statuses(), ["web:online", "task:stopped"]);
}

#[test]
fn the_plan_is_told_as_data() {
    let rpm = Rpm::new();
    rpm.write("e.toml", FILE);
    let output = rpm.run("apply e.toml --dry-run --json --only changed");
    output.ends_with(2);
    let plan: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(plan, serde_json::json!({ "schema": 1, "steps": [{ "step": "start", "app": "changed" }] }));
    assert!(rpm.daemon().is_none(), "a dry run starts no daemon");
    rpm.fails("apply e.toml --prune --only same").complains("--prune and --only");
    rpm.fails("apply none.toml");
}

#[test]
fn a_name_that_means_others_is_pruned_alone() {
    let rpm = Rpm::new();
    rpm.write("e.toml", "[[apps]]\nname = \"web\"\nscript = \"forever.sh\"\nnamespace = \"1\"\n");
    rpm.ok("apply e.toml");
    rpm.write("old.toml", "[[apps]]\nname = \"all\"\nscript = \"forever.sh\"\n[[apps]]\nname = \"/w/\"\nscript = \"forever.sh\"\n[[apps]]\nname = \"1\"\nscript = \"forever.sh\"\n");
    rpm.ok("start old.toml");
    let web = rpm.entry("web").pid();
    rpm.ok("stop old.toml");
    assert_eq!(rpm.statuses(), ["web:online", "all:stopped", "/w/:stopped", "1:stopped"]);
    rpm.ok("apply e.toml --prune");
    assert_eq!(rpm.statuses(), ["web:online"]);
    assert_eq!(rpm.entry("web").pid(), web);
}
