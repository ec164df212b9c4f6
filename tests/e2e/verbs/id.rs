//! `id`: the numbers of an app's processes.

use rpm_tests::Rpm;

#[test]
fn ids_are_an_array() {
    let rpm = Rpm::new();
    assert_eq!(rpm.ok("id web").stdout.trim_end(), "[]");
    rpm.forever("web", "");
    rpm.forever("api", "");
    rpm.ok("start forever.sh --name web -f");
    assert_eq!(rpm.ok("id web").stdout.trim_end(), "[ 0, 2 ]");
    assert_eq!(rpm.ok("id api").stdout.trim_end(), "[ 1 ]");
    assert_eq!(rpm.ok("id nobody").stdout.trim_end(), "[]");
}
