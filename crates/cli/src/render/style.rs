//! The colours of PM2.

use rpm_core::{HealthState, Status};

/// Escape sequences that switch a style on and off again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    on: &'static str,
    off: &'static str,
}

impl Style {
    const fn new(on: &'static str, off: &'static str) -> Self {
        Self { on, off }
    }

    pub(crate) const PLAIN: Self = Self::new("", "");
    pub(crate) const BOLD: Self = Self::new("\x1b[1m", "\x1b[22m");
    pub(crate) const GREY: Self = Self::new("\x1b[90m", "\x1b[39m");
    pub(crate) const BOLD_GREY: Self = Self::new("\x1b[1m\x1b[90m", "\x1b[39m\x1b[22m");
    pub(crate) const GREEN: Self = Self::new("\x1b[32m", "\x1b[39m");
    pub(crate) const YELLOW: Self = Self::new("\x1b[33m", "\x1b[39m");
    pub(crate) const RED: Self = Self::new("\x1b[31m", "\x1b[39m");
    pub(crate) const BLUE: Self = Self::new("\x1b[34m", "\x1b[39m");
    pub(crate) const BOLD_CYAN: Self = Self::new("\x1b[1m\x1b[36m", "\x1b[39m\x1b[22m");
    pub(crate) const BOLD_BLUE: Self = Self::new("\x1b[1m\x1b[34m", "\x1b[39m\x1b[22m");
    pub(crate) const BOLD_GREEN: Self = Self::new("\x1b[32m\x1b[1m", "\x1b[22m\x1b[39m");
    pub(crate) const BOLD_YELLOW: Self = Self::new("\x1b[33m\x1b[1m", "\x1b[22m\x1b[39m");
    pub(crate) const BOLD_RED: Self = Self::new("\x1b[31m\x1b[1m", "\x1b[22m\x1b[39m");
    pub(crate) const MARKED: Self = Self::new("\x1b[100m", "\x1b[49m");
    pub(crate) const BOLD_INVERSE: Self = Self::new("\x1b[7m\x1b[1m", "\x1b[22m\x1b[27m");

    /// The style of a status.
    pub(crate) fn of_status(status: Status) -> Self {
        match status {
            Status::Online => Self::BOLD_GREEN,
            Status::Launching => Self::BOLD_BLUE,
            Status::WaitingRestart | Status::Queued | Status::Waiting => Self::BOLD_YELLOW,
            Status::Stopping | Status::Stopped | Status::Errored => Self::BOLD_RED,
        }
    }

    /// The style of the outcome of a health check.
    pub(crate) fn of_health(state: HealthState) -> Self {
        match state {
            HealthState::Starting => Self::BOLD_YELLOW,
            HealthState::Healthy => Self::BOLD_GREEN,
            HealthState::Unhealthy => Self::BOLD_RED,
        }
    }
}

/// Whether styles are written at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// Decides for one stream: asked for by `FORCE_COLOR`, forbidden by `NO_COLOR`, `FORCE_COLOR=0` or
    /// `TERM=dumb`, else where people look at it. (PM2 colours files and pipes, too.)
    pub(crate) fn decide(variable: impl Fn(&str) -> Option<String>, is_terminal: bool) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        Self(match set("FORCE_COLOR").as_deref() {
            Some("0" | "false") => false,
            _ if set("NO_COLOR").is_some() => false,
            Some(_) => true,
            None => is_terminal && set("TERM").as_deref() != Some("dumb"),
        })
    }

    /// Appends `text` in a style.
    pub(crate) fn push(self, line: &mut String, style: Style, text: &str) {
        if self.0 {
            line.push_str(style.on);
        }
        line.push_str(text);
        if self.0 {
            line.push_str(style.off);
        }
    }

    /// `text` in a style.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        let mut painted = String::with_capacity(text.len() + style.on.len() + style.off.len());
        self.push(&mut painted, style, text);
        painted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_unless_someone_says_otherwise() {
        let decide = |variables: &[(&str, &str)], is_terminal: bool| {
            let find = |name: &str| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            Paint::decide(find, is_terminal).0
        };
        assert!(decide(&[], true) && decide(&[("TERM", "xterm")], true));
        assert!(!decide(&[], false));
        assert!(!decide(&[("TERM", "dumb")], true));
        assert!(!decide(&[("NO_COLOR", "1")], true));
        assert!(decide(&[("NO_COLOR", "")], true));
        assert!(decide(&[("FORCE_COLOR", "1")], false));
        assert!(!decide(&[("FORCE_COLOR", "0")], true));
        assert!(!decide(&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], true));
    }

    #[test]
    fn text_without_paint_is_bare() {
        assert_eq!(Paint(false).paint(Style::BOLD_RED, "x"), "x");
        assert_eq!(Paint(true).paint(Style::RED, "x"), "\x1b[31mx\x1b[39m");
    }
}
