//! The secrets of a run, shared by its jobs.

use std::{
    borrow::Cow,
    sync::{PoisonError, RwLock},
};

use rpm_core::{Env, Redactor, secret};

/// All that must not be shown.
#[derive(Debug, Default)]
pub(super) struct Masks(RwLock<Redactor>);

/// A shorter value of a variable that no workflow names would blank out ordinary words.
const SHORTEST: usize = 6;

impl Masks {
    /// The secrets of an environment. Steps do not inherit them, but git and messages may show them.
    pub(super) fn of(env: &Env) -> Self {
        let masks = Self::default();
        env.iter()
            .filter(|(name, value)| secret::names_secret(name) && value.len() >= SHORTEST)
            .for_each(|(_, value)| masks.add(value));
        masks
    }

    /// Hides a value from now on.
    pub(super) fn add(&self, secret: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    /// A text without secrets.
    pub(super) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).redact(text)
    }

    /// Whether a text holds a secret.
    pub(super) fn holds(&self, text: &str) -> bool {
        matches!(self.hide(text), Cow::Owned(_))
    }
}
