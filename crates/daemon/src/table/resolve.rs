//! What a selector means.

use std::path::{Component, Path, PathBuf};

use regex_lite::Regex;
use rpm_core::{
    ProcessId, Selector,
    protocol::Failure,
    selector::{Exact, Form},
};

use super::{Process, Table};

impl Table {
    /// The processes that `selector` means, by id; at least one.
    ///
    /// A word is tried as a name or as the script it stands for where it was typed, then as a namespace, then as
    /// `namespace/name`; a number
    /// as a name, a namespace, an id. This is PM2's order. Modules are not meant by `all`.
    pub(crate) fn resolve(&self, selector: &Selector) -> Result<Vec<ProcessId>, Failure> {
        match selector.form() {
            Form::Exactly(Exact::Id(id)) => {
                self.select(|process| process.id == *id).ok_or(Failure::UnknownId(id.0))
            }
            Form::Exactly(Exact::App { name, namespace }) => self
                .select(|process| {
                    process.spec.name == *name
                        && namespace.as_ref().is_none_or(|namespace| process.spec.namespace == *namespace)
                })
                .ok_or_else(|| Failure::UnknownName(name.clone())),
            Form::All => self.select(|process| !process.spec.is_module()).ok_or(Failure::NoProcess),
            Form::Regex(pattern) => {
                let regex = Regex::new(pattern).map_err(|error| Failure::BadRegex {
                    pattern: pattern.to_owned(),
                    reason: error.to_string(),
                })?;
                self.select(|process| regex.is_match(&process.spec.name)).ok_or(Failure::NoProcess)
            }
            Form::Number(number) => self
                .select(|process| process.spec.name == selector.text)
                .or_else(|| self.in_namespace(&selector.text))
                .or_else(|| self.select(|process| process.id == ProcessId(number)))
                .ok_or(Failure::UnknownId(number)),
            Form::Word(word) => {
                let script = absolute(&selector.cwd, word);
                self.select(|process| process.spec.name == word || process.spec.script == script)
                    .or_else(|| self.in_namespace(word))
                    .or_else(|| self.select(|process| process.spec.is_called(word)))
                    .or_else(|| {
                        // Typed where a link leads, and declared by the name behind the link.
                        let target = script.canonicalize().ok()?;
                        self.select(|process| process.spec.script == target)
                    })
                    .ok_or_else(|| Failure::UnknownName(word.to_owned()))
            }
        }
    }

    fn in_namespace(&self, namespace: &str) -> Option<Vec<ProcessId>> {
        self.select(|process| process.spec.namespace == namespace)
    }

    fn select(&self, wanted: impl Fn(&Process) -> bool) -> Option<Vec<ProcessId>> {
        let ids: Vec<_> = self.iter().filter(|process| wanted(process)).map(|process| process.id).collect();
        (!ids.is_empty()).then_some(ids)
    }
}

/// `word` as a path from `cwd`, without `.` and `..`; nothing is looked up.
fn absolute(cwd: &Path, word: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for component in cwd.join(word).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use rpm_core::{AppSpec, Home, Interpreter, Persona};

    use super::*;
    use crate::{clock::Now, verbs::Declaration};

    fn table(apps: &[(&str, &str, &str)]) -> Table {
        let home = Home::new("/h".into(), Persona::Rpm);
        let now = Now { wall: 0, mono: 0 };
        let mut table = Table::default();
        for (name, namespace, script) in apps {
            let mut spec = AppSpec::new(*name, (*script).into(), Interpreter::None, "/".into());
            (*namespace).clone_into(&mut spec.namespace);
            table.declare(Declaration::of(spec, Arc::default()), &home, now);
        }
        table
    }

    fn ids(table: &Table, word: &str) -> Result<Vec<u32>, Failure> {
        table.resolve(&Selector::new(word, "/srv")).map(|ids| ids.into_iter().map(|id| id.0).collect())
    }

    #[test]
    fn words_mean_what_they_mean_in_pm2() {
        let table = table(&[
            ("api", "web", "/srv/api.js"),
            ("api", "web", "/srv/api.js"),
            ("worker", "api", "/srv/worker.js"),
            ("1", "default", "/srv/one.js"),
        ]);
        assert_eq!(ids(&table, "all"), Ok(vec![0, 1, 2, 3]));
        assert_eq!(ids(&table, "api"), Ok(vec![0, 1]));
        assert_eq!(ids(&table, "web"), Ok(vec![0, 1]));
        assert_eq!(ids(&table, "web/api"), Ok(vec![0, 1]));
        assert_eq!(ids(&table, "api/worker"), Ok(vec![2]));
        assert_eq!(ids(&table, "web/worker"), Err(Failure::UnknownName("web/worker".into())));
        assert_eq!(ids(&table, "../srv/./worker.js"), Ok(vec![2]));
        assert_eq!(ids(&table, "1"), Ok(vec![3]));
        assert_eq!(ids(&table, "2"), Ok(vec![2]));
        assert_eq!(table.resolve(&Selector::of_id(ProcessId(1))), Ok(vec![ProcessId(1)]), "not the app `1`");
        assert_eq!(table.resolve(&Selector::of_app("api")), Ok(vec![ProcessId(0), ProcessId(1)]));
        assert_eq!(
            table.resolve(&Selector::of_app("web")),
            Err(Failure::UnknownName("web".into())),
            "a namespace"
        );
        assert_eq!(table.resolve(&Selector::of_app("all")), Err(Failure::UnknownName("all".into())));
        assert_eq!(ids(&table, "/^a|w/"), Ok(vec![0, 1, 2]));
        assert_eq!(ids(&table, "9"), Err(Failure::UnknownId(9)));
        assert_eq!(ids(&table, "nope"), Err(Failure::UnknownName("nope".into())));
        assert_eq!(ids(&table, "/nope/"), Err(Failure::NoProcess));
        assert!(matches!(ids(&table, "/(/"), Err(Failure::BadRegex { .. })));
        assert_eq!(ids(&Table::default(), "all"), Err(Failure::NoProcess));
    }

    proptest! {
        /// Whatever is selected is there, once, and in order; or the answer says that there is nothing.
        #[test]
        fn any_word_means_some_of_those_that_are_there(
            word in "all|[0-9]{1,12}|/[a-z.*+?()\\[\\]{}|^$\\\\0-9]{0,12}/|\\PC{0,8}|(\\.\\./){0,3}[a-z]{0,3}",
        ) {
            let table = table(&[("api", "web", "/srv/api.js"), ("w", "api", "/srv/w.js"), ("1", "default", "/1.js")]);
            if let Ok(ids) = ids(&table, &word) {
                prop_assert!(!ids.is_empty() && ids.is_sorted_by(|a, b| a < b) && ids.iter().all(|id| *id < 3));
            }
        }
    }

    /// Patterns on which other engines never end, or for which they take all memory.
    #[test]
    fn no_pattern_keeps_the_daemon_busy() {
        let name = "a".repeat(5_000) + "!";
        let table = table(&[(&name, "web", "/srv/api.js")]);
        for pattern in [
            "(a+)+$",
            "(a|aa)+$",
            "(.*a){30}$",
            "^(([a-z])+.)+[A-Z]([a-z])+$",
            "((a{99}){99}){99}",
            "a{99999}",
        ] {
            assert!(ids(&table, &format!("/{pattern}/")).is_err(), "{pattern}");
        }
        assert!(matches!(ids(&table, &format!("/{}/", "(".repeat(100_000))), Err(Failure::BadRegex { .. })));
    }

    #[test]
    fn modules_are_not_meant_by_all() {
        let mut table = table(&[("api", "web", "/srv/api.js"), ("extra", "web", "/srv/extra.js")]);
        let module = table.get_mut(ProcessId(1)).unwrap();
        Arc::make_mut(&mut module.spec).extras.insert("pmx_module".into(), true.into());
        assert_eq!(ids(&table, "all"), Ok(vec![0]));
        assert_eq!((ids(&table, "extra"), ids(&table, "1")), (Ok(vec![1]), Ok(vec![1])));
        table.remove(ProcessId(0));
        assert_eq!(ids(&table, "all"), Err(Failure::NoProcess));
    }

    #[test]
    fn instance_numbers_are_reused_and_ids_are_not() {
        let mut table = table(&[("a", "", "/a"), ("a", "", "/a"), ("b", "", "/b"), ("a", "", "/a")]);
        table.remove(ProcessId(1));
        let spec = Arc::clone(&table.get(ProcessId(0)).unwrap().spec);
        let home = Home::new("/h".into(), Persona::Rpm);
        let process = table.declare(
            Declaration::of(AppSpec::clone(&spec), Arc::default()),
            &home,
            Now { wall: 0, mono: 0 },
        );
        assert_eq!((process.id, process.instance), (ProcessId(4), 1));
    }
}
