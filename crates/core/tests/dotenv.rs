//! Generated files of variables are read as npm's `dotenv` reads them; `dotenv/record.js` asked versions 17 and 18.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeMap;

use rpm_core::dotenv;

#[test]
fn generated_files_are_read_as_by_the_package() {
    let files: Vec<(String, BTreeMap<String, String>)> =
        serde_json::from_str(include_str!("dotenv/files.json")).unwrap();
    for (text, expected) in &files {
        let read: BTreeMap<_, _> = dotenv::parse(text).variables.into_iter().collect();
        assert_eq!(read, *expected, "{text:?}");
    }
    assert_eq!(files.len(), 3000);
}
