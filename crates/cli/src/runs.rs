//! Questions to the history of runs. It is read from its files: that needs no daemon.

use std::collections::HashMap;

use memchr::memmem::Finder;
use regex_lite::Regex;
use rpm_core::{
    Home, ProcessId, Selector,
    app_key::is_called,
    selector::{Exact, Form},
};
use rpm_history::{Key, Run, StoreError, Words, record::Line, runs_directory, store, words};

use crate::failure::Failure;

/// Which runs are meant.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// Of whom; of all if empty.
    pub(crate) whose: Vec<Whose>,
    /// Only those that failed.
    pub(crate) failed: bool,
    /// Only those that ended then or later, milliseconds since the epoch.
    pub(crate) since: Option<i64>,
    /// At most so many, the latest.
    pub(crate) limit: Option<usize>,
}

/// What a run must be of.
#[derive(Debug)]
pub(crate) enum Whose {
    Any,
    Matching(Regex),
    /// An app or a namespace.
    Called(String),
    /// A process of that number, or what is called that.
    Numbered(u32, String),
    /// A process, which must have this name: numbers are given again.
    Process(ProcessId, String),
}

impl Whose {
    /// What a word means that was typed.
    pub(crate) fn of(selector: &Selector) -> Result<Self, Failure> {
        Ok(match selector.form() {
            Form::All => Self::Any,
            Form::Regex(pattern) => {
                Self::Matching(Regex::new(pattern).map_err(|error| {
                    Failure::Error(format!("bad regular expression {pattern:?}: {error}"))
                })?)
            }
            Form::Exactly(Exact::Id(id)) => Self::Numbered(id.0, selector.text.clone()),
            Form::Exactly(Exact::App { name, .. }) => Self::Called(name.clone()),
            Form::Number(number) => Self::Numbered(number, selector.text.clone()),
            Form::Word(word) => Self::Called(word.to_owned()),
        })
    }

    fn is_of(&self, run: &Run) -> bool {
        let called = |word: &String| is_called(&run.namespace, &run.name, word) || run.namespace == *word;
        match self {
            Self::Any => true,
            Self::Matching(regex) => regex.is_match(&run.name),
            Self::Called(word) => called(word),
            Self::Numbered(number, word) => run.id == ProcessId(*number) || called(word),
            Self::Process(id, name) => run.id == *id && run.name == *name,
        }
    }

    /// What a line must contain that stands for such a run; nothing if that cannot be said.
    fn marks(&self) -> Vec<String> {
        let text = |word: &String| serde_json::to_string(word).unwrap_or_default();
        match self {
            Self::Any | Self::Matching(_) => Vec::new(),
            Self::Called(word) | Self::Process(_, word) => vec![text(word)],
            Self::Numbered(number, word) => vec![format!("\"i\":{number},"), text(word)],
        }
    }
}

/// The runs that are meant, the latest first.
pub(crate) fn find(home: &Home, query: &Query) -> Result<Vec<Run>, Failure> {
    let marks: Vec<_> = query.whose.iter().map(Whose::marks).collect();
    // A question that some line may answer whatever it contains is asked of every line.
    let marks = if marks.iter().any(Vec::is_empty) { Vec::new() } else { marks.concat() };
    let finders: Vec<_> = marks.iter().map(Finder::new).collect();
    let mut found = Vec::new();
    store::read_back(&runs_directory(home), |bytes| {
        if query.limit.is_some_and(|limit| found.len() >= limit) {
            return false;
        }
        if let Some(line) = Line::read(bytes)
            && (line.has_failed || !query.failed)
            && query.since.is_none_or(|since| line.ended >= since)
            && line.may_name(&finders)
            && let Some(run) = line.run()
            && (query.whose.is_empty() || query.whose.iter().any(|whose| whose.is_of(&run)))
        {
            found.push(run);
        }
        true
    })?;
    Ok(found)
}

/// What those of `runs` said last that failed and are remembered.
pub(crate) fn said(home: &Home, runs: &[Run]) -> Result<HashMap<Key, Words>, Failure> {
    let keys: Vec<_> = runs.iter().filter(|run| run.has_failed()).filter_map(Run::key).collect();
    Ok(words::of(&rpm_history::words_directory(home), &keys)?)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Error(format!("the history of runs: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use rpm_core::{Exit, Millis, Next, Persona, Why};

    use super::*;

    fn run(id: u32, name: &str, namespace: &str, ended: i64, code: i32) -> Run {
        Run {
            id: ProcessId(id),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            pid: Some(7),
            why: Why::default(),
            started: 0,
            ended,
            lasted: Millis(0),
            exit: Some(Exit::Code(code)),
            cpu: None,
            memory: None,
            next: Next::Rests,
            asked_by: None,
            reason: None,
        }
    }

    #[test]
    fn a_question_is_answered_by_what_it_is_about() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().to_owned(), Persona::Rpm);
        let mut store = rpm_history::runs(&home, 100);
        for run in [
            run(1, "api", "default", 10, 0),
            run(2, "backup", "api", 20, 1),
            run(3, "1", "default", 30, 1),
            run(12, "a\"b", "default", 40, 0),
        ] {
            run.write_to(store.pending());
        }
        store.pending().extend_from_slice(b"!garbage\n");
        store.flush().unwrap();
        let ended =
            |query: &Query| find(&home, query).unwrap().iter().map(|run| run.ended).collect::<Vec<_>>();
        let of = |word: &str| {
            let whose = vec![Whose::of(&Selector::new(word, "/")).unwrap()];
            ended(&Query { whose, ..Query::default() })
        };
        assert_eq!(ended(&Query::default()), [40, 30, 20, 10]);
        assert_eq!(ended(&Query { failed: true, ..Query::default() }), [30, 20]);
        assert_eq!(ended(&Query { since: Some(30), ..Query::default() }), [40, 30]);
        assert_eq!(ended(&Query { limit: Some(1), ..Query::default() }), [40]);
        assert_eq!((of("api"), of("1"), of("all").len()), (vec![20, 10], vec![30, 10], 4));
        assert_eq!((of("/^a/"), of("a\"b"), of("nobody")), (vec![40, 10], vec![40], vec![]));
        let whose = vec![Whose::Process(ProcessId(2), "backup".into()), Whose::Called("1".into())];
        assert_eq!(ended(&Query { whose, ..Query::default() }), [30, 20]);
        assert!(matches!(Whose::of(&Selector::new("/(/", "/")), Err(Failure::Error(_))));
    }
}
