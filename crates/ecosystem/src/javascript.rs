//! JavaScript: Node evaluates the file and tells what it exports.

use std::{
    io::{self, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::{
    Caller, Problem,
    caller::{Programs, resolve},
    json,
    node::{Node, Value},
    source::{Source, Span},
};

/// What Node runs; the file is its argument.
const DRIVER: &str = include_str!("javascript.js");

/// A file that takes longer waits for something that does not come.
const LIMIT: Duration = Duration::from_secs(30);

/// More than any ecosystem file says.
const MAX_ANSWER: u64 = 16 << 20;

/// The tree of what the file exports. Its values have no places.
pub(crate) fn parse(source: &Source, caller: &Caller) -> Result<Node, Vec<Problem>> {
    evaluate(source, caller, LIMIT).map_err(|problem| vec![problem])
}

fn evaluate(source: &Source, caller: &Caller, limit: Duration) -> Result<Node, Problem> {
    let file = resolve(&caller.cwd, source.path());
    let shown = source.path().display();
    let program = caller.persona.word();
    let node = Programs::of(caller).find("node").ok_or_else(|| {
        Problem::error(format!(
            "JavaScript, and there is no `node` in PATH to evaluate it: install Node.js, or where \
             there is one run `{program} convert {shown} -o ecosystem.toml` and use that file"
        ))
    })?;
    let failed =
        |what: &str, error: &io::Error| Problem::error(format!("{what} {}: {error}", node.display()));
    let mut child = Command::new(&node)
        .args(["-e", DRIVER, "--"])
        .arg(&file)
        .env_clear()
        .envs(caller.env.iter())
        .current_dir(&caller.cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed("cannot run", &error))?;
    let answer = answer(&mut child, limit);
    // Whatever it still does is not waited for.
    let _ = child.kill();
    let ended = child.wait().map_err(|error| failed("cannot wait for", &error))?;
    let text = match answer {
        Ok(text) => text,
        Err(RecvTimeoutError::Timeout) => {
            return Err(Problem::error(format!(
                "JavaScript: it has not ended after {} s: what does it wait for?",
                limit.as_secs_f32()
            )));
        }
        Err(RecvTimeoutError::Disconnected) => String::new(),
    };
    match json::evaluated(&text) {
        Some(said) => told(said, source, &file),
        None => {
            Err(Problem::error(format!("JavaScript: node ended ({ended}) before it told what it exports")))
        }
    }
}

/// What the child writes until it closes its standard output.
fn answer(child: &mut Child, limit: Duration) -> Result<String, RecvTimeoutError> {
    let stdout = child.stdout.take().ok_or(RecvTimeoutError::Disconnected)?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if stdout.take(MAX_ANSWER).read_to_end(&mut bytes).is_ok() {
            // Nobody may be waiting any more.
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        }
    });
    receiver.recv_timeout(limit)
}

/// From the driver's answer to what was exported.
fn told(said: Node, source: &Source, file: &Path) -> Result<Node, Problem> {
    let Value::Table(mut entries) = said.value else {
        return Err(Problem::error("JavaScript: node gave an answer that is none"));
    };
    if let Some(at) = entries.iter().position(|entry| entry.key == "value") {
        return Ok(entries.swap_remove(at).node);
    }
    let text = |key: &str| {
        entries.iter().find(|entry| entry.key == key).map(|entry| entry.node.to_text()).unwrap_or_default()
    };
    if let Some(kind) = Some(text("exported")).filter(|kind| !kind.is_empty()) {
        let advice = if kind == "function" { ": it is not called: export what it returns" } else { "" };
        return Err(Problem::error(format!(
            "expected it to export a table with `apps`, found {kind}{advice}"
        )));
    }
    let (error, place, line) = (text("error"), text("file"), text("line"));
    let number = |key| text(key).parse::<usize>().unwrap_or(1);
    if line.is_empty() {
        Err(Problem::error(format!("JavaScript: {error}")))
    } else if Path::new(&place) == file {
        Err(Problem::error(format!("JavaScript: {error}")).at(Some(span(
            source,
            number("line"),
            number("column"),
        ))))
    } else {
        Err(Problem::error(format!("JavaScript: {error} ({place}:{line})")))
    }
}

/// From a line and a column of JavaScript to the end of the line.
fn span(source: &Source, line: usize, column: usize) -> Span {
    let start = source.line_start(line);
    let text = source.text().get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let offset = text.char_indices().nth(column.saturating_sub(1)).map_or(0, |(at, _)| at);
    start + offset..start + text.trim_end().len().max(offset)
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    #[test]
    fn a_file_that_waits_for_ever_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.config.js"), "for (;;);").unwrap();
        let path = [("PATH".to_owned(), env::var("PATH").unwrap())].into_iter().collect();
        let caller = Caller::new(directory.path().to_owned(), path);
        let source = Source::new("a.config.js", "");
        let error = evaluate(&source, &caller, Duration::from_millis(500)).unwrap_err();
        assert!(error.to_string().contains("has not ended after 0.5 s"), "{error}");
    }
}
