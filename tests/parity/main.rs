//! The answers of `rpm`, called as `pm2`, beside those of the original: verbs, options, files. See `README.md`.

#[test]
fn rpm_answers_as_the_original() {
    rpm_tests::comparison::compare(&rpm_tests::repository().join("tests/parity"));
}
