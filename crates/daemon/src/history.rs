//! The history of runs, as the daemon writes it: one write for all that ended in one turn of its loop.

use rpm_core::Home;
use rpm_history::{Key, Run, Store, Words, words};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a run said last.
type Said = (Key, Words);

/// What is remembered of runs that are over.
pub(crate) struct History {
    home: Home,
    runs: Store,
    words: Store,
    /// Last words that take a moment to be in the logs.
    later: (UnboundedSender<Said>, UnboundedReceiver<Said>),
    /// It was said that it cannot be written.
    is_failing: bool,
}

impl History {
    /// Of this home, with so many runs.
    pub(crate) fn new(home: &Home, kept: u64) -> Self {
        let (runs, words) = (rpm_history::runs(home, kept), rpm_history::words(home));
        Self { home: home.clone(), runs, words, later: unbounded_channel(), is_failing: false }
    }

    /// Keeps so many runs from here on.
    pub(crate) fn set(&mut self, kept: u64) {
        self.flush();
        self.runs = rpm_history::runs(&self.home, kept);
    }

    /// Whether anything is remembered.
    pub(crate) fn is_on(&self) -> bool {
        self.runs.is_on()
    }

    /// A run is over.
    pub(crate) fn note(&mut self, run: &Run) {
        run.write_to(self.runs.pending());
    }

    /// What a run said last.
    pub(crate) fn note_words(&mut self, key: Key, said: Words) {
        if !said.is_empty() {
            words::keep(&mut self.words, key, said);
        }
    }

    /// Where last words are to be sent that take a moment.
    pub(crate) fn later(&self) -> UnboundedSender<Said> {
        self.later.0.clone()
    }

    /// Waits for those, and notes them.
    pub(crate) async fn hear(&mut self) {
        // This holds a sender: there is always more to come.
        if let Some((key, said)) = self.later.1.recv().await {
            self.note_words(key, said);
        }
    }

    /// Writes what is new. Says once that it cannot: then it is forgotten, and nothing else suffers.
    pub(crate) fn flush(&mut self) {
        match self.runs.flush().and(self.words.flush()) {
            Ok(()) => {}
            Err(_) if self.is_failing => {}
            Err(error) => {
                self.is_failing = true;
                tracing::error!("the history of runs is not written: {error}");
            }
        }
    }
}
