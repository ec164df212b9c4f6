//! `save`: the list on disk.

use std::{fs, os::unix::fs::PermissionsExt};

use rpm_tests::Rpm;

#[test]
fn the_list_is_written_for_its_owner_alone() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    let dump = rpm.home().join("dump.rpm");
    rpm.ok("save")
        .says("[RPM] Saving current process list...")
        .says(&format!("[RPM] Successfully saved in {}", dump.display()));
    let mode = fs::metadata(&dump).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "environments hold secrets");
    rpm.ok("dump").says("Successfully saved");
}

#[test]
fn an_empty_list_is_not_saved_unless_forced() {
    let rpm = Rpm::new();
    rpm.forever("web", "");
    rpm.ok("save");
    let dump = rpm.home().join("dump.rpm");
    let saved = fs::read(&dump).unwrap();
    rpm.ok("delete all");
    rpm.ok("save")
        .says("[RPM][WARN] RPM is not managing any process, skipping save...")
        .says("[RPM][WARN] To force saving use: rpm save --force");
    assert_eq!(fs::read(&dump).unwrap(), saved);
    rpm.ok("save --force");
    assert_ne!(fs::read(&dump).unwrap(), saved);
    rpm.ok("resurrect");
    assert!(rpm.jlist().is_empty());
}

#[test]
fn the_list_before_is_kept_as_a_backup() {
    let rpm = Rpm::new();
    rpm.forever("one", "");
    rpm.ok("save");
    let first = fs::read(rpm.home().join("dump.rpm")).unwrap();
    rpm.forever("two", "");
    rpm.ok("save");
    assert_eq!(fs::read(rpm.home().join("dump.rpm.bak")).unwrap(), first);
}
