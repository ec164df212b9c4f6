//! What a line of output becomes in a log.

use chrono::{DateTime, Local, SecondsFormat, Utc};
use rpm_core::{AppSpec, LogType, ProcessId, dayjs};
use serde_json::json;

/// One of the two streams of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Error,
}

impl Stream {
    /// The word in file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Error => "error",
        }
    }

    /// PM2's word in JSON lines and events.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Error => "err",
        }
    }
}

/// The form of an app's log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// day.js tokens of the date.
    date_format: Option<String>,
    /// Lines are objects of JSON, which tell these of the process.
    json: Option<(ProcessId, String)>,
    /// A copy of both streams goes into one more file.
    combined: bool,
}

impl Form {
    /// The form that `app` declares; `None` where its output is taken as it is.
    pub(crate) fn of(app: &AppSpec, id: ProcessId, combined: bool) -> Option<Self> {
        let json = (app.log_type == Some(LogType::Json)).then(|| (id, app.name.clone()));
        let form = Self { date_format: app.log_date_format.clone(), json, combined };
        (form.date_format.is_some() || form.json.is_some() || combined).then_some(form)
    }

    /// Appends `chunk` to `out` in this form. `at_start` tells whether the chunk begins a line; the answer tells it
    /// of the next chunk.
    pub(super) fn write(
        &self,
        chunk: &[u8],
        stream: Stream,
        now: &DateTime<Local>,
        at_start: bool,
        out: &mut Vec<u8>,
    ) -> bool {
        if let Some((id, name)) = &self.json {
            let timestamp = match &self.date_format {
                Some(format) => dayjs::format(format, now),
                None => now.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Millis, true),
            };
            for line in chunk.split_inclusive(|&b| b == b'\n') {
                let object = json!({
                    "message": String::from_utf8_lossy(line),
                    "timestamp": timestamp,
                    "type": stream.kind(),
                    "process_id": id,
                    "app_name": name,
                });
                out.extend_from_slice(object.to_string().as_bytes());
                out.push(b'\n');
            }
            return true;
        }
        let date = self.date_format.as_ref().map(|format| format!("{}: ", dayjs::format(format, now)));
        prefix_lines(chunk, date.unwrap_or_default().as_bytes(), at_start, out)
    }
}

/// Appends `chunk` to `out` with `prefix` before each line.
fn prefix_lines(chunk: &[u8], prefix: &[u8], mut at_start: bool, out: &mut Vec<u8>) -> bool {
    for line in chunk.split_inclusive(|&b| b == b'\n') {
        if at_start {
            out.extend_from_slice(prefix);
        }
        out.extend_from_slice(line);
        at_start = line.ends_with(b"\n");
    }
    at_start
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rpm_core::Interpreter;

    use super::*;

    fn prefixed(chunks: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut at_start = true;
        for chunk in chunks {
            at_start = prefix_lines(chunk, b"D: ", at_start, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_line_has_one_date() {
        assert_eq!(prefixed(&[b"a\nb\n"]), "D: a\nD: b\n");
        assert_eq!(prefixed(&[b"a", b"b\n", b"c"]), "D: ab\nD: c");
        assert_eq!(prefixed(&[b"\n\n"]), "D: \nD: \n");
    }

    #[test]
    fn a_line_can_be_an_object() {
        let mut app = AppSpec::new("api", "/s".into(), Interpreter::None, "/".into());
        assert_eq!(Form::of(&app, 3.into(), false), None);
        app.log_type = Some(LogType::Json);
        app.log_date_format = Some("[then]".into());
        let mut out = Vec::new();
        let form = Form::of(&app, 3.into(), false).unwrap();
        form.write(b"a \"b\"\nc\n", Stream::Error, &Local::now(), true, &mut out);
        let lines: Vec<serde_json::Value> = out
            .split(|&b| b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect();
        let line = |message| json!({ "message": message, "timestamp": "then", "type": "err", "process_id": 3, "app_name": "api" });
        assert_eq!(lines, [line("a \"b\"\n"), line("c\n")]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_however_it_is_cut(text in "[ab\n]{0,40}", cut in 0usize..40) {
            let cut = cut.min(text.len());
            let (a, b) = text.split_at(cut);
            prop_assert_eq!(prefixed(&[a.as_bytes(), b.as_bytes()]), prefixed(&[text.as_bytes()]));
            prop_assert_eq!(prefixed(&[text.as_bytes()]).replace("D: ", ""), text);
        }
    }
}
