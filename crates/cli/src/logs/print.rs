//! Lines with whose they are.

use chrono::Local;
use rpm_core::dayjs;

use super::source::{Source, Stream};
use crate::{
    output::Output,
    render::{
        grid::{clip, display_width},
        style::{Paint, Style},
    },
};

/// Columns of a label before the last lines of a file.
const LABEL: usize = 10;

/// How lines are shown.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) paint: Paint,
    /// Lines as they are.
    pub(crate) raw: bool,
    /// day.js tokens of the date before each new line.
    pub(crate) timestamp: Option<String>,
    /// Columns of the widest label so far.
    width: usize,
}

/// Text on its way out.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    out: Vec<u8>,
    error: Vec<u8>,
}

impl Lines {
    /// Writes all at once.
    pub(crate) fn write(&mut self, to: &mut Output) {
        to.bytes(&self.out);
        to.error_bytes(&self.error);
        self.out.clear();
        self.error.clear();
    }

    /// Whether it is time to write.
    pub(crate) fn is_full(&self) -> bool {
        self.out.len() + self.error.len() > 64 << 10
    }
}

impl Printer {
    pub(crate) fn new(paint: Paint, raw: bool, timestamp: Option<String>) -> Self {
        // PM2 begins with three columns.
        Self { paint, raw, timestamp, width: 3 }
    }

    /// A line that was in the file already.
    pub(crate) fn old(&self, lines: &mut Lines, source: &Source, line: &[u8]) {
        if self.raw {
            return raw(lines, source, line);
        }
        self.push(lines, source, clip(&source.label, LABEL), LABEL, line);
    }

    /// A line that was written just now. As in PM2 an empty one is not shown.
    pub(crate) fn new_line(&mut self, lines: &mut Lines, source: &Source, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        if let Some(format) = &self.timestamp {
            let date = format!("{} ", dayjs::format(format, &Local::now()));
            lines.out.extend_from_slice(self.paint.paint(Style::GREY, &date).as_bytes());
        }
        if self.raw {
            return raw(lines, source, line);
        }
        let width = display_width(&source.label);
        if width > self.width {
            self.width = width + 1;
        }
        self.push(lines, source, &source.label, self.width, line);
    }

    fn push(&self, lines: &mut Lines, source: &Source, label: &str, width: usize, line: &[u8]) {
        let style = match source.stream {
            Stream::Out => Style::GREEN,
            Stream::Error => Style::RED,
            Stream::Daemon => Style::BLUE,
        };
        let padding = width.saturating_sub(display_width(label));
        let prefix = format!("{label}{:padding$} | ", "");
        lines.out.extend_from_slice(self.paint.paint(style, &prefix).as_bytes());
        lines.out.extend_from_slice(line);
        lines.out.push(b'\n');
    }
}

fn raw(lines: &mut Lines, source: &Source, line: &[u8]) {
    let to = if source.stream == Stream::Error { &mut lines.error } else { &mut lines.out };
    to.extend_from_slice(line);
    to.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(label: &str, stream: Stream) -> Source {
        Source { path: "/log".into(), stream, label: label.to_owned(), process: None }
    }

    fn shown(print: impl FnOnce(&mut Printer, &mut Lines), raw: bool) -> (String, String) {
        let mut lines = Lines::default();
        print(&mut Printer::new(Paint(false), raw, None), &mut lines);
        (String::from_utf8(lines.out).unwrap(), String::from_utf8(lines.error).unwrap())
    }

    #[test]
    fn labels_of_old_lines_take_ten_columns() {
        let (out, _) = shown(
            |printer, lines| {
                printer.old(lines, &source("0|web", Stream::Out), b"a");
                printer.old(lines, &source("12|a-long-name", Stream::Error), b"b");
                printer.old(lines, &source("RPM", Stream::Daemon), b"");
            },
            false,
        );
        assert_eq!(out, "0|web      | a\n12|a-long- | b\nRPM        | \n");
    }

    #[test]
    fn labels_of_new_lines_are_as_wide_as_the_widest() {
        let (out, _) = shown(
            |printer, lines| {
                printer.new_line(lines, &source("0|a", Stream::Out), b"x");
                printer.new_line(lines, &source("0|a", Stream::Out), b"");
                printer.new_line(lines, &source("10|web", Stream::Error), b"y");
                printer.new_line(lines, &source("0|a", Stream::Out), b"z");
            },
            false,
        );
        assert_eq!(out, "0|a | x\n10|web  | y\n0|a     | z\n");
    }

    #[test]
    fn raw_lines_go_to_their_stream() {
        let (out, error) = shown(
            |printer, lines| {
                printer.old(lines, &source("0|a", Stream::Out), b"o\xc3\xa9");
                printer.new_line(lines, &source("0|a", Stream::Error), b"e");
            },
            true,
        );
        assert_eq!((out.as_str(), error.as_str()), ("oé\n", "e\n"));
    }

    #[test]
    fn a_timestamp_stands_first() {
        let mut lines = Lines::default();
        Printer::new(Paint(false), false, Some("[at]".to_owned())).new_line(
            &mut lines,
            &source("0|a", Stream::Out),
            b"x",
        );
        assert_eq!(lines.out, b"at 0|a | x\n");
    }
}
