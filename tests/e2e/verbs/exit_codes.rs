//! `docs/exit-codes.md`: each line is true.

use std::fs;

use rpm_tests::{Rpm, repository};

/// The commands of the table and their codes; of a line that says `0 or 1`, which depends on who calls, none.
fn documented() -> Vec<(String, Option<i32>)> {
    let document = fs::read_to_string(repository().join("docs/exit-codes.md")).unwrap();
    let rows = document.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let command = cells.next()?.strip_suffix('`')?.to_owned();
        Some((command, cells.next()?.parse().ok()))
    });
    rows.collect()
}

#[test]
fn the_table_is_true() {
    let rpm = Rpm::new();
    rpm.script("task.sh", "#!/bin/sh\nexit 0\n");
    rpm.write("ecosystem.toml", "[[apps]]\nname = \"task\"\nscript = \"task.sh\"\nautorestart = false\n");
    let table = documented();
    assert!(table.len() > 70, "{} lines", table.len());
    let mut wrong = Vec::new();
    for (command, code) in table.iter().filter_map(|(command, code)| Some((command, (*code)?))) {
        let output = rpm.run(command.as_str());
        if output.code != Some(code) {
            wrong
                .push(format!("`{command}`: {code} is documented, was {:?}: {}", output.code, output.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_verb_is_in_the_table() {
    let help = Rpm::new().ok("--help").stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let verbs = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split([',', ' ']).next());
    let table = documented();
    let is_there = |verb: &&str| table.iter().any(|(command, _)| command.split(' ').next() == Some(verb));
    let missing: Vec<_> = verbs.filter(|verb| !verb.is_empty() && !is_there(verb)).collect();
    assert!(missing.is_empty(), "not in docs/exit-codes.md: {missing:?}");
}
