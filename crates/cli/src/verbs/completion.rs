//! `completion`: scripts for shells, and the answers that they ask for.
//!
//! The question is PM2's and npm's: `completion -- WORDS` with the variables `COMP_CWORD`, `COMP_LINE` and
//! `COMP_POINT`; the answer is a line for each word that may follow.

use std::{collections::BTreeSet, fs, io, path::PathBuf};

use clap::Args;

use super::{Invocation, VERBS, Verb};
use crate::{
    args::options,
    context::{self, Context, variable},
    failure::Failure,
    files,
};

pub(super) const VERB: Verb = Verb {
    name: "completion",
    aliases: &[],
    about: "Complete words in a shell (install, uninstall, or bash, zsh, fish: the script)",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Completion {
    /// install, uninstall, or the shell whose script is shown.
    action: Option<String>,
    /// What is typed by now.
    #[arg(last = true, hide = true)]
    words: Vec<String>,
}

/// Verbs after which names of processes follow.
const ABOUT_PROCESSES: &[&str] = &[
    "stop", "restart", "scale", "reload", "delete", "del", "reset", "pull", "forward", "backward", "logs",
    "log", "describe", "desc", "show", "info", "history", "why", "run", "start", "env", "pid", "id", "flush",
    "trigger", "monit",
];

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Completion { action, .. }) = invocation.read()?;
    match (action.as_deref(), variable("COMP_LINE")) {
        (None, Some(line)) => answer(&mut context, &line),
        (None | Some("bash" | "zsh"), _) => show(&mut context, POSIX),
        (Some("fish"), _) => show(&mut context, FISH),
        (Some("install"), _) => install(&mut context)?,
        (Some("uninstall"), _) => uninstall(&mut context)?,
        (Some(other), _) => {
            return Err(Failure::Error(format!(
                "{other:?} is unknown here: expected install, uninstall, bash, zsh or fish"
            )));
        }
    }
    Ok(())
}

const POSIX: &str = include_str!("../templates/completion.sh");
const FISH: &str = include_str!("../templates/completion.fish");

fn show(context: &mut Context, script: &str) {
    let word = context.persona().word();
    context.out.data(script.replace("{word}", word).as_bytes());
}

fn answer(context: &mut Context, line: &str) {
    let point = variable("COMP_POINT").and_then(|text| text.parse().ok()).unwrap_or(line.len());
    let typed = line.get(..point.min(line.len())).unwrap_or(line);
    let processes = || match context.connect() {
        Ok(Some(mut connection)) => context::rows(&mut connection)
            .map(|rows| rows.into_iter().flat_map(|row| [row.name.into(), row.id.to_string()]).collect())
            .unwrap_or_default(),
        _ => Vec::new(),
    };
    let mut text = candidates(typed, processes).join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    context.out.data(text.as_bytes());
}

/// What may stand where the line ends.
fn candidates(typed: &str, processes: impl FnOnce() -> Vec<String>) -> Vec<String> {
    let mut words: Vec<&str> = typed.split_whitespace().collect();
    let last = if typed.ends_with(char::is_whitespace) { "" } else { words.pop().unwrap_or_default() };
    let before = words.get(1..).unwrap_or_default();
    if before.contains(&"--") {
        return Vec::new();
    }
    let all: BTreeSet<String> = if last.starts_with("--") {
        options::longs().map(str::to_owned).collect()
    } else if last.starts_with('-') {
        options::shorts().map(|letter| format!("-{letter}")).collect()
    } else if before.is_empty() {
        let names = |verb: &&Verb| [&[verb.name], verb.aliases].concat();
        VERBS.iter().flat_map(names).map(str::to_owned).collect()
    } else if ABOUT_PROCESSES.contains(&before[0]) {
        processes().into_iter().chain(["all".to_owned()]).collect()
    } else {
        BTreeSet::new()
    };
    all.into_iter().filter(|word| word.starts_with(last)).collect()
}

/// The file that a shell reads when it starts.
fn shell_file() -> Result<(PathBuf, &'static str), Failure> {
    let home =
        variable("HOME").map(PathBuf::from).ok_or_else(|| Failure::Error("HOME is not set".to_owned()))?;
    let shell = variable("SHELL").unwrap_or_default();
    Ok(match shell.rsplit('/').next() {
        Some("zsh") => (home.join(".zshrc"), POSIX),
        Some("fish") => (home.join(".config/fish/config.fish"), FISH),
        _ => (home.join(".bashrc"), POSIX),
    })
}

fn read(path: &PathBuf) -> Result<String, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Failure::Error(format!("cannot read {}: {error}", path.display()))),
    }
}

fn write(path: &PathBuf, text: &str) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    // A link is followed, and the file keeps its mode: it is not ours.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let mode = fs::metadata(&path).map_or(0o644, |meta| meta.permissions().mode() & 0o7777);
    files::replace(&path, text.as_bytes(), mode)
        .map_err(|error| Failure::Error(format!("cannot write {}: {error}", path.display())))
}

/// `text` without our lines.
fn without(text: &str, word: &str) -> String {
    let (begin, end) = (format!("###-begin-{word}-completion-###"), format!("###-end-{word}-completion-###"));
    match (text.find(&begin), text.find(&end)) {
        (Some(from), Some(to)) if from < to => {
            let rest = &text[to + end.len()..];
            format!("{}{}", &text[..from], rest.strip_prefix('\n').unwrap_or(rest))
        }
        _ => text.to_owned(),
    }
}

fn install(context: &mut Context) -> Result<(), Failure> {
    let word = context.persona().word();
    let (path, script) = shell_file()?;
    let mut text = without(&read(&path)?, word);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&script.replace("{word}", word));
    write(&path, &text)?;
    context.out.info(&format!("{word} tab-completion installed in {}", path.display()));
    Ok(())
}

fn uninstall(context: &mut Context) -> Result<(), Failure> {
    let word = context.persona().word();
    let (path, _) = shell_file()?;
    let text = read(&path)?;
    let rest = without(&text, word);
    if rest != text {
        write(&path, &rest)?;
    }
    context.out.info(&format!("{word} tab-completion uninstalled from {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(line: &str) -> Vec<String> {
        candidates(line, || vec!["api".to_owned(), "web".to_owned()])
    }

    #[test]
    fn what_may_follow_depends_on_what_stands_before() {
        assert!(complete("rpm ").contains(&"start".to_owned()));
        assert_eq!(complete("rpm describ"), ["describe"]);
        assert_eq!(complete("rpm stop "), ["all", "api", "web"]);
        assert_eq!(complete("rpm stop a"), ["all", "api"]);
        assert_eq!(complete("rpm save "), [""; 0]);
        assert!(complete("rpm start --kill-").contains(&"--kill-timeout".to_owned()));
        assert!(complete("rpm start -").contains(&"-n".to_owned()));
        assert_eq!(complete("rpm start app.js -- --na"), [""; 0]);
        assert!(complete("").contains(&"start".to_owned()));
    }

    #[test]
    fn our_lines_can_be_taken_out_again() {
        let script = POSIX.replace("{word}", "rpm");
        let before = "export A=1\n";
        assert_eq!(without(&format!("{before}{script}export B=2\n"), "rpm"), "export A=1\nexport B=2\n");
        assert_eq!(without(before, "rpm"), before);
        assert_eq!(without(&script, "pm2"), script);
    }
}
