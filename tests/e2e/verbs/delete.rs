//! `delete`: stopped and forgotten.

use rpm_tests::Rpm;

#[test]
fn a_deleted_process_is_gone_from_list_and_machine() {
    let rpm = Rpm::new();
    let pid = rpm.forever("web", "").pid();
    rpm.ok("delete web")
        .says("[RPM] Applying action deleteProcessId on app [web](ids: [ 0 ])")
        .says("[RPM] [web](0) ✓");
    assert!(rpm.jlist().is_empty());
    assert!(!rpm.processes().contains(&pid));
}

#[test]
fn del_is_the_same_and_takes_what_stop_takes() {
    let rpm = Rpm::new();
    rpm.ok("start forever.sh --name web --namespace front -i 2");
    rpm.forever("jobs", "");
    rpm.forever("mail", "");
    rpm.ok("del 0 /^j/");
    assert_eq!(rpm.statuses(), ["web:online", "mail:online"]);
    rpm.ok("delete front");
    assert_eq!(rpm.statuses(), ["mail:online"]);
    rpm.ok("stop mail");
    rpm.ok("delete all");
    assert!(rpm.jlist().is_empty());
}

#[test]
fn ids_grow_until_the_list_is_empty() {
    let rpm = Rpm::new();
    rpm.forever("a", "");
    rpm.forever("b", "");
    rpm.ok("delete a");
    assert_eq!(rpm.forever("c", "").id(), 2);
    rpm.ok("delete all");
    assert_eq!(rpm.forever("d", "").id(), 0);
}

#[test]
fn a_files_apps_are_deleted_by_name() {
    let rpm = Rpm::new();
    rpm.forever("a", "");
    rpm.forever("stranger", "");
    rpm.write(
        "eco.toml",
        "[[apps]]\nname = 'a'\nscript = 'forever.sh'\n[[apps]]\nname = 'absent'\nscript = 'forever.sh'\n",
    );
    rpm.ok("delete eco.toml");
    assert_eq!(rpm.statuses(), ["stranger:online"]);
}
