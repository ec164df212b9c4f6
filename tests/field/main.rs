//! Ecosystem files as people have them, loaded by the original and by `rpm`, called as `pm2`. See `README.md`.

#[test]
fn files_that_people_have_run_as_under_the_original() {
    rpm_tests::comparison::compare(&rpm_tests::repository().join("tests/field"));
}
