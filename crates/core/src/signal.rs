//! Signals by the names that people write.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A signal of this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signal(nix::sys::signal::Signal);

impl Signal {
    /// What PM2 sends first when it stops a process.
    pub const INT: Self = Self(nix::sys::signal::SIGINT);
    /// What cannot be refused.
    pub const KILL: Self = Self(nix::sys::signal::SIGKILL);

    /// For the system call.
    pub fn as_nix(self) -> nix::sys::signal::Signal {
        self.0
    }

    /// `SIGTERM`, and so on.
    pub fn name(self) -> &'static str {
        self.0.as_str()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> Self {
        signal.name().to_owned()
    }
}

/// A word that names no signal here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown signal {0:?}: expected a name such as SIGTERM, or a number")]
pub struct UnknownSignal(pub String);

impl TryFrom<String> for Signal {
    type Error = UnknownSignal;

    fn try_from(text: String) -> Result<Self, UnknownSignal> {
        text.parse()
    }
}

impl TryFrom<i32> for Signal {
    type Error = UnknownSignal;

    fn try_from(number: i32) -> Result<Self, UnknownSignal> {
        nix::sys::signal::Signal::try_from(number).map(Self).map_err(|_| UnknownSignal(number.to_string()))
    }
}

impl FromStr for Signal {
    type Err = UnknownSignal;

    /// `SIGTERM`, `TERM`, `sigterm` and `15` are the same.
    fn from_str(text: &str) -> Result<Self, UnknownSignal> {
        if let Ok(number) = text.parse::<i32>() {
            return Self::try_from(number);
        }
        let upper = text.to_ascii_uppercase();
        let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        name.parse().map(Self).map_err(|_| UnknownSignal(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_are_one_signal() {
        for text in ["SIGINT", "INT", "sigint", "2"] {
            assert_eq!(text.parse(), Ok(Signal::INT), "{text}");
        }
        for text in ["", "SIG", "SIGNOPE", "0", "99", "-9"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}
