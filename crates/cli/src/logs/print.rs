//! Lines with whose they are.

use chrono::{Local, SecondsFormat, Utc};
use rpm_core::{
    dayjs,
    protocol::{Event, EventKind},
};
use serde::Serialize;

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

/// How a line says whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `0|web  | line`
    Labelled,
    /// Not at all: the line as it is, on the stream where it was written.
    Raw,
    /// An object of JSON.
    Json,
    /// `timestamp=… app=web id=0 type=out message=line`
    Fields,
}

/// How lines are shown.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) paint: Paint,
    form: Form,
    /// day.js tokens of the date before each new line.
    pub(crate) timestamp: Option<String>,
    /// Lines of the daemon are labelled, too.
    pub(crate) labels_daemon: bool,
    /// What is marked in new lines.
    pub(crate) highlight: Option<Vec<u8>>,
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
    pub(crate) fn new(paint: Paint, form: Form, timestamp: Option<String>) -> Self {
        // PM2 begins with three columns.
        Self { paint, form, timestamp, labels_daemon: true, highlight: None, width: 3 }
    }

    /// A line that was in the file already.
    pub(crate) fn old(&self, lines: &mut Lines, source: &Source, line: &[u8]) {
        if self.form == Form::Raw {
            return raw(lines, source, line);
        }
        self.push(lines, source, clip(&source.label, LABEL), LABEL, line);
    }

    /// A line that was written just now. As in PM2 an empty one is not shown.
    pub(crate) fn new_line(&mut self, lines: &mut Lines, source: &Source, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        match self.form {
            Form::Json => return json(lines, source, line),
            Form::Fields => return fields(lines, source, line),
            Form::Labelled if source.stream == Stream::Daemon && !self.labels_daemon => {
                return raw(lines, source, line);
            }
            Form::Raw | Form::Labelled => {}
        }
        if let Some(format) = &self.timestamp {
            let date = format!("{} ", dayjs::format(format, &Local::now()));
            lines.out.extend_from_slice(self.paint.paint(Style::GREY, &date).as_bytes());
        }
        if self.form == Form::Raw {
            return raw(lines, source, line);
        }
        let width = display_width(&source.label);
        if width > self.width {
            self.width = width + 1;
        }
        let marked = self.highlight.as_ref().map(|text| mark(line, text, self.paint));
        self.push(lines, source, &source.label, self.width, marked.as_deref().unwrap_or(line));
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

impl Printer {
    /// What happened to a process: a line among the others where they are JSON.
    pub(crate) fn event(&self, lines: &mut Lines, event: &Event) {
        #[derive(Serialize)]
        struct Line<'a> {
            timestamp: String,
            r#type: &'a str,
            status: &'a str,
            app_name: &'a str,
        }
        let status = match event.what {
            // PM2's words; the others are not told.
            EventKind::Online => "online",
            EventKind::Exit(_) => "exit",
            EventKind::Restart => "restart",
            EventKind::Stopped => "stop",
            EventKind::Deleted => "delete",
            EventKind::Errored => "restart overlimit",
            EventKind::Healthy => "healthy",
            EventKind::Unhealthy => "unhealthy",
            EventKind::Created => return,
        };
        if self.form == Form::Json {
            let app_name = &event.process.name;
            push_json(lines, &Line { timestamp: iso_now(), r#type: "process_event", status, app_name });
        }
    }
}

/// The line with every occurrence of `text` in a style of its own.
fn mark(line: &[u8], text: &[u8], paint: Paint) -> Vec<u8> {
    let styled = paint.paint(Style::MARKED, &String::from_utf8_lossy(text));
    let mut marked = Vec::with_capacity(line.len() + styled.len());
    let mut rest = line;
    while let Some(at) = rest.windows(text.len().max(1)).position(|window| window == text) {
        marked.extend_from_slice(&rest[..at]);
        marked.extend_from_slice(styled.as_bytes());
        rest = &rest[at + text.len()..];
    }
    marked.extend_from_slice(rest);
    marked
}

fn json(lines: &mut Lines, source: &Source, line: &[u8]) {
    /// In PM2's order.
    #[derive(Serialize)]
    struct Line<'a> {
        message: &'a str,
        timestamp: String,
        r#type: &'a str,
        process_id: Option<u32>,
        app_name: &'a str,
    }
    let stream = if source.stream == Stream::Error { "err" } else { "out" };
    push_json(
        lines,
        &Line {
            message: &String::from_utf8_lossy(line),
            timestamp: iso_now(),
            r#type: stream,
            process_id: source.process.as_ref().map(|process| process.id.0),
            app_name: source.app(),
        },
    );
}

fn push_json(lines: &mut Lines, line: &impl Serialize) {
    // Texts and numbers always become JSON.
    if let Ok(text) = serde_json::to_string(line) {
        lines.out.extend_from_slice(text.as_bytes());
        lines.out.push(b'\n');
    }
}

fn fields(lines: &mut Lines, source: &Source, line: &[u8]) {
    let date = dayjs::format("YYYY-MM-DD-HH:mm:ssZZ", &Local::now());
    let stream = if source.stream == Stream::Error { "error" } else { "out" };
    let id = source.process.as_ref().map_or_else(|| source.label.clone(), |process| process.id.to_string());
    let start = format!("timestamp={date} app={} id={id} type={stream} message=", source.app());
    lines.out.extend_from_slice(start.as_bytes());
    lines.out.extend_from_slice(line);
    lines.out.push(b'\n');
}

fn iso_now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn raw(lines: &mut Lines, source: &Source, line: &[u8]) {
    let to = if source.stream == Stream::Error { &mut lines.error } else { &mut lines.out };
    to.extend_from_slice(line);
    to.push(b'\n');
}

#[cfg(test)]
mod tests {
    use rpm_core::{ProcessId, protocol::ProcessRef};

    use super::*;

    fn source(label: &str, stream: Stream) -> Source {
        Source { path: "/log".into(), stream, label: label.to_owned(), process: None }
    }

    fn shown(print: impl FnOnce(&mut Printer, &mut Lines), form: Form) -> (String, String) {
        let mut lines = Lines::default();
        print(&mut Printer::new(Paint(false), form, None), &mut lines);
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
            Form::Labelled,
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
            Form::Labelled,
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
            Form::Raw,
        );
        assert_eq!((out.as_str(), error.as_str()), ("oé\n", "e\n"));
    }

    #[test]
    fn programs_get_json_or_fields() {
        let process = Some(ProcessRef { id: ProcessId(3), name: "web".to_owned() });
        let source = Source { process, ..source("3|web", Stream::Error) };
        let (json, _) = shown(|printer, lines| printer.new_line(lines, &source, b"a \"b\""), Form::Json);
        assert!(json.starts_with("{\"message\":\"a \\\"b\\\"\",\"timestamp\":\"20"), "{json}");
        assert!(json.ends_with("Z\",\"type\":\"err\",\"process_id\":3,\"app_name\":\"web\"}\n"), "{json}");
        let (fields, _) = shown(|printer, lines| printer.new_line(lines, &source, b"a b"), Form::Fields);
        assert!(fields.starts_with("timestamp=20"), "{fields}");
        assert!(fields.ends_with(" app=web id=3 type=error message=a b\n"), "{fields}");
    }

    #[test]
    fn events_are_told_as_json_alone() {
        let process = ProcessRef { id: ProcessId(3), name: "web".to_owned() };
        let event = Event { at: 0, process, what: EventKind::Online };
        let (json, _) = shown(|printer, lines| printer.event(lines, &event), Form::Json);
        assert!(
            json.ends_with("\"type\":\"process_event\",\"status\":\"online\",\"app_name\":\"web\"}\n"),
            "{json}"
        );
        let (text, _) = shown(|printer, lines| printer.event(lines, &event), Form::Labelled);
        assert_eq!(text, "");
    }

    #[test]
    fn what_is_looked_for_is_marked() {
        assert_eq!(mark(b"a bb a", b"a", Paint(false)), b"a bb a");
        let marked = String::from_utf8(mark(b"a bb a", b"bb", Paint(true))).unwrap();
        assert!(
            marked.starts_with("a \x1b[") && marked.ends_with(" a") && marked.contains("bb"),
            "{marked:?}"
        );
    }

    #[test]
    fn a_timestamp_stands_first() {
        let mut lines = Lines::default();
        Printer::new(Paint(false), Form::Labelled, Some("[at]".to_owned())).new_line(
            &mut lines,
            &source("0|a", Stream::Out),
            b"x",
        );
        assert_eq!(lines.out, b"at 0|a | x\n");
    }
}
