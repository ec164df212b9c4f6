//! JavaScript: Node evaluates a file, or an expression, and reports its value.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    os::fd::AsFd,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::{Pid, PidfdFlags, pidfd_open},
};

use crate::{
    Caller, EnvChange, Problem,
    caller::{Programs, resolve},
    formats::Parsed,
    json,
    node::{Node, Value},
    source::{Source, Span},
};

/// What Node runs; the kind and the file are its arguments.
const DRIVER: &str = include_str!("javascript.js");

/// A file that takes longer waits for something that does not come.
const LIMIT: Duration = Duration::from_secs(30);

/// The limit of the driver, which reports a larger answer as an error.
const MAX_ANSWER: u64 = 16 << 20;

/// What Node evaluates.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The file, as a module.
    Module,
    /// The text, as PM2 evaluates a file that is called JSON.
    Expression,
}

/// The tree of what the file exports, and what it changed in the environment. Its values have no places.
pub(crate) fn parse(source: &Source, caller: &Caller) -> Result<Parsed, Vec<Problem>> {
    let node = Programs::of(caller).find("node").ok_or_else(|| {
        let (program, shown) = (caller.persona.word(), source.path().display());
        vec![Problem::error(format!(
            "JavaScript, and there is no `node` in PATH to evaluate it: install Node.js, or where \
             there is one run `{program} convert {shown} -o ecosystem.toml` and use that file"
        ))]
    })?;
    let evaluation = Evaluation { kind: Kind::Module, node: &node, limit: LIMIT };
    evaluation.run(source, caller).map_err(|problem| vec![problem])
}

/// JSON5, or where the text is neither and Node is installed, the expression of JavaScript that PM2 takes it for. The
/// error is that of JSON if the text is not even an expression.
pub(crate) fn parse_json(source: &Source, caller: &Caller) -> Result<Parsed, Vec<Problem>> {
    json::parse(source).map(Parsed::from).or_else(|not_json| {
        if source.text().trim().is_empty() {
            return Err(not_json);
        }
        let Some(node) = Programs::of(caller).find("node") else { return Err(not_json) };
        let evaluation = Evaluation { kind: Kind::Expression, node: &node, limit: LIMIT };
        evaluation.run(source, caller).map_err(|problem| {
            if problem.to_string().starts_with(SYNTAX_ERROR) { not_json } else { vec![problem] }
        })
    })
}

/// How the driver begins what it says of a text that cannot be parsed.
const SYNTAX_ERROR: &str = "JavaScript: SyntaxError: ";

/// A run of Node.
struct Evaluation<'a> {
    kind: Kind,
    node: &'a Path,
    limit: Duration,
}

impl Evaluation<'_> {
    fn run(&self, source: &Source, caller: &Caller) -> Result<Parsed, Problem> {
        let failed =
            |what: &str, error: io::Error| Problem::error(format!("{what} {}: {error}", self.node.display()));
        let file = resolve(&caller.cwd, source.path());
        let text = if self.kind == Kind::Expression { source.text() } else { "" };
        let mut exchange =
            exchange(text).map_err(|error| failed("cannot make a file in memory for", error))?;
        let flags = blocking_flags();
        let mut child = self
            .command(&file, &exchange, caller)
            .and_then(|mut command| command.spawn())
            .map_err(|error| failed("cannot run", error))?;
        let ended = ended(&mut child, self.limit);
        // Processes that it has started are not waited for.
        let _ = child.kill();
        let status = child.wait();
        restore(flags);
        let status = ended.and_then(|ended| Ok(ended.then_some(status?)));
        let Some(status) = status.map_err(|error| failed("cannot wait for", error))? else {
            return Err(Problem::error(format!(
                "JavaScript: it has not ended after {} s: what does it wait for?",
                self.limit.as_secs_f32()
            )));
        };
        let answer = read(&mut exchange).map_err(|error| failed("cannot read the answer of", error))?;
        match json::evaluated(&answer) {
            // An expression that was not evaluated is still there.
            Some(said) if status.success() => told(said, source, &file),
            _ => {
                let message = format!("JavaScript: node ended ({status}) before it told what it exports");
                Err(Problem::error(message))
            }
        }
    }

    /// Node with the driver. What the file prints goes to our standard error, for standard output is for data.
    fn command(&self, file: &Path, exchange: &File, caller: &Caller) -> io::Result<Command> {
        let output = io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from);
        let kind = if self.kind == Kind::Expression { "expression" } else { "module" };
        let mut command = Command::new(self.node);
        command
            .args(["-e", DRIVER, "--", kind])
            .arg(file)
            .env_clear()
            .envs(caller.env.iter())
            .current_dir(&caller.cwd)
            .stdin(exchange.try_clone()?)
            .stdout(output);
        Ok(command)
    }
}

/// The file in memory through which the driver gets its text and gives its answer.
fn exchange(text: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create("javascript", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

fn read(exchange: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    exchange.rewind()?;
    exchange.take(MAX_ANSWER).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether the child itself ends within `limit`, whatever keeps its output open.
fn ended(child: &mut Child, limit: Duration) -> io::Result<bool> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("it has no pid"))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The flags of our standard error. Node makes a pipe non-blocking, for us as well, and one that is killed leaves it so.
fn blocking_flags() -> Option<OFlag> {
    fcntl(io::stderr(), FcntlArg::F_GETFL).ok().map(OFlag::from_bits_retain)
}

fn restore(flags: Option<OFlag>) {
    if let Some(flags) = flags.filter(|flags| !flags.contains(OFlag::O_NONBLOCK)) {
        // Standard error may be gone.
        let _ = fcntl(io::stderr(), FcntlArg::F_SETFL(flags));
    }
}

/// From the driver's answer to what was exported.
fn told(said: Node, source: &Source, file: &Path) -> Result<Parsed, Problem> {
    let Value::Table(mut entries) = said.value else {
        return Err(Problem::error("JavaScript: node gave an answer that is none"));
    };
    let mut take =
        |key: &str| entries.iter().position(|entry| entry.key == key).map(|at| entries.swap_remove(at).node);
    if let Some(tree) = take("value") {
        return Ok(Parsed { tree, env: take("env").map(EnvChange::from).unwrap_or_default() });
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
        let node = Programs::of(&caller).find("node").unwrap();
        let evaluation = Evaluation { kind: Kind::Module, node: &node, limit: Duration::from_millis(500) };
        let error = evaluation.run(&source, &caller).unwrap_err();
        assert!(error.to_string().contains("has not ended after 0.5 s"), "{error}");
    }
}
