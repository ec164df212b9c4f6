//! All that a verb writes, and the only place that does.
//!
//! Writing never fails a verb: when the reader has gone (`rpm stop all | head -1`), the rest of the work is done
//! all the same.

use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
};

use rpm_core::{
    Persona,
    name::{printable, printable_json},
};
use serde_json::Value;

use crate::render::style::{Paint, Style};

/// The version of the documents that `--json` writes. It grows when a field goes away or comes to mean something else, not
/// when one is added.
const SCHEMA: u32 = 1;

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Output {
    persona: Persona,
    /// Nothing but data is written.
    pub(crate) silent: bool,
    /// Standard output is for others: what is worth a warning is told on standard error, and the rest is not.
    pub(crate) terse: bool,
    /// The colours of standard output.
    pub(crate) paint: Paint,
    error_paint: Paint,
    /// Why standard output takes nothing more.
    broken: Option<io::Error>,
}

impl Output {
    pub(crate) fn new(persona: Persona, variable: impl Fn(&str) -> Option<String>) -> Self {
        let silenced =
            variable(&format!("{}_SILENT", persona.title())).is_some_and(|value| !value.is_empty());
        Self {
            persona,
            silent: silenced,
            terse: false,
            paint: Paint::decide(&variable, io::stdout().is_terminal()),
            error_paint: Paint::decide(&variable, io::stderr().is_terminal()),
            broken: None,
        }
    }

    /// `--no-color`.
    pub(crate) fn without_colour(&mut self) {
        self.paint = Paint(false);
        self.error_paint = Paint(false);
    }

    /// Data, for programs: written as it is, also when silent.
    pub(crate) fn data(&mut self, bytes: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            self.broken = Some(error);
        }
    }

    /// A document for programs: the fields of `content`, an object, and the version of their form, in one line.
    pub(crate) fn document(&mut self, mut content: Value) {
        if let Value::Object(fields) = &mut content {
            fields.insert("schema".to_owned(), SCHEMA.into());
        }
        self.json(&format!("{content}\n"));
    }

    /// JSON for programs, which a terminal may get as well.
    pub(crate) fn json(&mut self, json: &str) {
        self.data(printable_json(json).as_bytes());
    }

    /// Bytes for people, written as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if !self.silent && !bytes.is_empty() {
            self.data(bytes);
        }
    }

    /// Text for people, written as it is.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A line for people.
    pub(crate) fn line(&mut self, line: &str) {
        self.text(&format!("{line}\n"));
    }

    /// `[RPM] …`
    pub(crate) fn info(&mut self, message: &str) {
        if self.terse {
            return;
        }
        let prefix = self.paint.paint(Style::GREEN, &format!("[{}] ", self.persona.title()));
        self.line(&format!("{prefix}{}", safe(message)));
    }

    /// `[RPM][WARN] …`
    pub(crate) fn warn(&mut self, message: &str) {
        if self.terse {
            return self.alert(message);
        }
        let prefix = self.paint.paint(Style::YELLOW, &format!("[{}][WARN] ", self.persona.title()));
        self.line(&format!("{prefix}{}", safe(message)));
    }

    /// `[RPM][WARN] …` on standard error.
    pub(crate) fn alert(&mut self, message: &str) {
        let prefix = self.error_paint.paint(Style::YELLOW, &format!("[{}][WARN] ", self.persona.title()));
        self.error_line(&format!("{prefix}{}", safe(message)));
    }

    /// `[RPM][ERROR] …` on standard error.
    pub(crate) fn error(&mut self, message: &str) {
        let prefix = self.error_paint.paint(Style::RED, &format!("[{}][ERROR] ", self.persona.title()));
        self.error_line(&format!("{prefix}{}", safe(message)));
    }

    /// A line on standard error.
    pub(crate) fn error_line(&mut self, line: &str) {
        self.error_bytes(format!("{line}\n").as_bytes());
    }

    /// Bytes on standard error.
    pub(crate) fn error_bytes(&mut self, bytes: &[u8]) {
        if !self.silent && !bytes.is_empty() {
            // There is nowhere left to tell of a standard error that cannot be written to.
            let _ = io::stderr().lock().write_all(bytes);
        }
    }

    /// Whether the reader of standard output has gone.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Why what was written is not where it should be. A reader that has seen enough is no reason.
    pub(crate) fn fault(&self) -> Option<&io::Error> {
        self.broken.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    /// The columns of the terminal on standard output; `None` if it is none.
    pub(crate) fn columns() -> Option<u16> {
        let size = rustix::termios::tcgetwinsize(io::stdout().as_fd()).ok()?;
        Some(size.ws_col).filter(|columns| *columns > 0)
    }
}

/// A message without what would act on a terminal. Its own line breaks stay.
fn safe(message: &str) -> String {
    message.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_lines_and_lose_their_escapes() {
        assert_eq!(safe("a\n  b\x1b[2Jc"), "a\n  b\\u{1b}[2Jc");
    }
}
