//! `docs/pm2-compatibility.md`: every row names what proves it, and that exists.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use rpm_tests::{Rpm, repository};

fn document() -> String {
    fs::read_to_string(repository().join("docs/pm2-compatibility.md")).unwrap()
}

/// What stands in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of all tables, as cells.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let is_row = |line: &&str| line.starts_with("| ") && !line.contains("| ---");
    let rows = document.lines().filter(is_row);
    let rows = rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
    rows.filter(|cells| cells.last() != Some(&"proved by")).collect()
}

/// `group/scenario` of all.
fn scenarios() -> BTreeSet<String> {
    let files = files(&repository().join("tests/parity/scenarios"), "toml");
    let names = files.iter().flat_map(|path| {
        let group = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        let scenarios = text["scenario"].as_array().unwrap().clone();
        scenarios.into_iter().map(move |scenario| format!("{group}/{}", scenario["name"].as_str().unwrap()))
    });
    names.collect()
}

/// `file::test` of all.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for directory in ["tests/e2e", "crates"] {
        for path in files(&repository().join(directory), "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let file = path.file_stem().unwrap().to_str().unwrap();
            for test in text.split("#[test]").skip(1) {
                let name = test.split_once("fn ").map(|(_, rest)| rest.split('(').next().unwrap());
                found.extend(name.map(|name| format!("{file}::{name}")));
            }
        }
    }
    found
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_row_is_proved() {
    let document = document();
    let known: BTreeSet<String> = scenarios().into_iter().chain(tests()).collect();
    let rows = rows(&document);
    assert!(rows.len() > 80, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let proofs = row.last().unwrap();
        if !proofs.starts_with('`') {
            wrong.push(format!("nothing proves {row:?}"));
        }
        wrong.extend(
            quoted(proofs)
                .filter(|proof| !known.contains(*proof))
                .map(|proof| format!("{proof} does not exist")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_verb_has_its_row() {
    let document = document();
    let words: BTreeSet<&str> = rows(&document).iter().flat_map(|row| quoted(row[0])).collect();
    let help = Rpm::new().ok("--help").stdout;
    let verbs = help.lines().skip_while(|line| *line != "Commands:" && *line != "Verbs:").skip(1);
    let verbs: Vec<&str> = verbs
        .take_while(|line| line.starts_with("  "))
        .flat_map(|line| line.trim().split("  ").next().unwrap_or_default().split(", "))
        .filter(|verb| !verb.is_empty())
        .collect();
    assert!(verbs.len() > 60, "{verbs:?}\n{help}");
    let missing: Vec<_> = verbs.iter().filter(|verb| !words.contains(**verb)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}
