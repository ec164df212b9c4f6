//! What is said about the program itself, and to those who mistype.

use rpm_tests::Rpm;

#[test]
fn version_and_help_need_no_daemon() {
    let rpm = Rpm::new();
    for flag in ["-v", "-V", "--version"] {
        assert_eq!(rpm.ok(flag).stdout.trim_end(), env!("CARGO_PKG_VERSION"), "{flag}");
    }
    for line in ["-h", "--help", "start -h", "logs --help"] {
        assert!(!rpm.ok(line).stdout.is_empty(), "{line}");
    }
    assert!(rpm.processes().is_empty());
}

#[test]
fn no_verb_is_a_failure() {
    let rpm = Rpm::new();
    let output = rpm.fails("");
    assert!(format!("{}{}", output.stdout, output.stderr).contains("rpm [options] <command>"), "{output}");
}

#[test]
fn an_unknown_verb_is_named() {
    let rpm = Rpm::new();
    rpm.fails("lisst").says("[RPM][ERROR] Command not found");
    assert!(rpm.processes().is_empty());
}

#[test]
fn an_unknown_option_is_named() {
    let rpm = Rpm::new();
    rpm.fails("list --no-such-option").complains("--no-such-option");
    rpm.fails("start forever.sh --no-such-option").complains("--no-such-option");
    assert!(rpm.processes().is_empty());
}
