//! Shells: how the text of a `run` becomes a command.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell>

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rpm_core::Env;

/// Why a script cannot be run.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The workflow is wrong.
    Wrong(String),
    /// The shell is not on this machine.
    Absent(String),
}

/// The words by which GitHub runs its own shells, and the ending of the file.
const SHELLS: &[(&str, &str, &str)] = &[
    ("bash", "bash --noprofile --norc -eo pipefail {0}", ".sh"),
    ("sh", "sh -e {0}", ".sh"),
    ("python", "python {0}", ".py"),
    ("pwsh", r#"pwsh -command ". '{0}'""#, ".ps1"),
    ("powershell", r#"powershell -command ". '{0}'""#, ".ps1"),
    ("cmd", "cmd /D /E:ON /V:OFF /S /C CALL {0}", ".cmd"),
];

/// Where no shell is named.
const DEFAULT: &str = "bash -e {0}";

/// Writes the script into a directory and gives the words that run it.
pub(super) fn prepare(
    shell: Option<&str>,
    script: &str,
    directory: &Path,
    env: &Env,
) -> Result<Vec<String>, Refusal> {
    let named = shell.and_then(|shell| SHELLS.iter().find(|(name, ..)| *name == shell));
    let (template, ending) = match (shell, named) {
        (None, _) if find("bash", env).is_none() => ("sh -e {0}", ".sh"),
        (None, _) => (DEFAULT, ".sh"),
        (Some(_), Some((_, template, ending))) => (*template, *ending),
        (Some(shell), None) if shell.contains("{0}") => (shell, ""),
        (Some(shell), None) => {
            let names: Vec<_> = SHELLS.iter().map(|(name, ..)| *name).collect();
            return Err(Refusal::Wrong(format!(
                "the shell {shell:?}: expected one of {} or a command with {{0}}",
                names.join(", ")
            )));
        }
    };
    let path = write(directory, ending, script)
        .map_err(|error| Refusal::Wrong(format!("the script cannot be written: {error}")))?;
    let mut words = words(template);
    let program = words.first().cloned().unwrap_or_default();
    // `python` is what GitHub's machines call it; many others have `python3` alone.
    let candidates = if program == "python" { vec!["python", "python3"] } else { vec![program.as_str()] };
    let found = candidates.iter().find_map(|program| find(program, env));
    let found = found.ok_or_else(|| Refusal::Absent(format!("the shell {program} is not installed here")))?;
    if let Some(first) = words.first_mut() {
        *first = found.to_string_lossy().into_owned();
    }
    let path = path.to_string_lossy();
    Ok(words.into_iter().map(|word| word.replace("{0}", &path)).collect())
}

fn write(directory: &Path, ending: &str, script: &str) -> io::Result<PathBuf> {
    let file = tempfile::Builder::new().prefix("script-").suffix(ending).tempfile_in(directory)?;
    let mut text = script.to_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    fs::write(file.path(), text)?;
    // A template such as `{0}` alone runs the file itself.
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o755))?;
    let (_, path) = file.keep().map_err(|error| error.error)?;
    Ok(path)
}

/// The words of a template; quotes keep words together.
fn words(template: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut is_word = false;
    for c in template.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                is_word = true;
            }
            None if c.is_whitespace() => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            None => {
                word.push(c);
                is_word = true;
            }
        }
    }
    if is_word {
        words.push(word);
    }
    words
}

/// The file of a program on the `PATH` of an environment.
pub(crate) fn find(program: &str, env: &Env) -> Option<PathBuf> {
    if program == "{0}" || program.contains('/') {
        return Some(PathBuf::from(program));
    }
    let path = env.get("PATH")?;
    let is_executable = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path).map(|directory| directory.join(program)).find(is_executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_cut_into_words() {
        assert_eq!(words("perl -w {0}"), ["perl", "-w", "{0}"]);
        assert_eq!(words("  a 'b c'\"d\"  \"\" e"), ["a", "b cd", "", "e"]);
        assert_eq!(words(""), [""; 0]);
    }
}
