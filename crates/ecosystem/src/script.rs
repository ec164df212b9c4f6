//! What a script is: a file, a command or a line for the shell; and what runs it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use rpm_core::Interpreter;

use crate::caller::{Programs, is_program, resolve};

/// What is executed.
#[derive(Debug, PartialEq)]
pub(crate) enum Target {
    /// A file.
    File(PathBuf),
    /// A line for this shell.
    Line(PathBuf),
    /// The static server of this executable.
    Server(PathBuf),
}

/// Where a script is: in the app's working directory; else a program in the `base` of relative paths or in
/// `PATH`; else, with a space in it, a line for the shell. The error is where it was looked for first.
///
/// PM2 gives everything with a space to the shell. A file whose path has one is run here.
pub(crate) fn locate(
    script: &str,
    cwd: &Path,
    base: &Path,
    programs: &mut Programs,
) -> Result<Target, PathBuf> {
    let path = resolve(cwd, script);
    if path.exists() {
        return Ok(Target::File(path));
    }
    let beside = || Some(resolve(base, script)).filter(|file| script.contains('/') && is_program(file));
    if let Some(program) = programs.find(script).or_else(beside) {
        return Ok(Target::File(program));
    }
    match programs.find("bash").or_else(|| programs.find("sh")) {
        Some(shell) if script.contains(' ') => Ok(Target::Line(shell)),
        _ => Err(path),
    }
}

/// PM2's name for an app that declares none: the script's last part without its extension, also of a whole line
/// (`python a/srv.py --ok` is `srv`).
pub(crate) fn default_name(script: &str) -> &str {
    let last = script.trim_end_matches('/').rsplit('/').next().unwrap_or(script);
    match last.rfind('.') {
        Some(dot) if dot > 0 => &last[..dot],
        _ => last,
    }
}

/// What runs a file for which no interpreter is declared; `None` for TypeScript, which depends on what is
/// installed.
pub(crate) fn interpreter(file: &Path, programs: &mut Programs) -> Option<Interpreter> {
    let program = match file.extension().and_then(OsStr::to_str) {
        Some("js" | "cjs" | "mjs") => "node",
        Some("sh") => "bash",
        Some("py") if programs.find("python").is_none() && programs.find("python3").is_some() => "python3",
        Some("py") => "python",
        Some("rb") => "ruby",
        Some("php") => "php",
        Some("pl") => "perl",
        Some("coffee") => "coffee",
        Some("ls") => "lsc",
        Some("tsx") => "bun",
        Some("ts") => return None,
        _ => return Some(by_content(file)),
    };
    Some(Interpreter::Program(program.to_owned()))
}

/// How much of a file PM2 looks at.
const HEAD: usize = 512;

/// What runs a file whose name does not say it: itself if it is a program, else Node.
///
/// PM2 gives every text to Node, so that `#!/bin/sh` ends in a crash loop. Here an executable script is its own
/// program, unless it asks for Node anyway: PM2's way of running `npm` is then the same, and cluster mode works.
fn by_content(file: &Path) -> Interpreter {
    let node = Interpreter::Program("node".to_owned());
    // Node finds the index.js of a directory; and a pipe must not be waited for.
    if !fs::metadata(file).is_ok_and(|meta| meta.is_file()) {
        return node;
    }
    let mut head = Vec::with_capacity(HEAD);
    let read = File::open(file).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head));
    // What may be executed but not read is no text for an interpreter.
    if read.is_err() || is_binary(&head) || (is_script(&head) && is_program(file)) {
        Interpreter::None
    } else {
        node
    }
}

/// Whether this begins a text with a `#!` line that names something else than Node.
fn is_script(head: &[u8]) -> bool {
    let Some(line) = head.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next())
    else {
        return false;
    };
    let line = String::from_utf8_lossy(line);
    let words: Vec<_> = line.split_whitespace().collect();
    !matches!(words.as_slice(), ["/usr/bin/env" | "/bin/env", "node"])
        && !matches!(words.as_slice(), [program] if program.ends_with("/node"))
}

/// PM2's test: a NUL, or more than one byte in ten that is neither UTF-8 text nor usual white space.
fn is_binary(head: &[u8]) -> bool {
    if head.starts_with(b"\xef\xbb\xbf") {
        return false;
    }
    let odd: usize = head
        .utf8_chunks()
        .map(|chunk| {
            let controls =
                chunk.valid().bytes().filter(|byte| *byte < 32 && !(7..=14).contains(byte)).count();
            controls + chunk.invalid().len()
        })
        .sum();
    head.contains(&0) || odd * 10 > head.len()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::Caller;

    fn file(directory: &Path, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn programs(directory: &Path) -> Programs {
        let env = [("PATH".to_owned(), directory.join("bin").display().to_string())].into_iter().collect();
        Programs::of(&Caller::new(directory.to_owned(), env))
    }

    #[test]
    fn names_come_from_scripts() {
        // Each expectation is what PM2 7.0.4 made of it.
        for (script, name) in [
            ("app.js", "app"),
            ("/a/b.c/d.test.js", "d.test"),
            ("sleep 300", "sleep 300"),
            ("python a/srv.py --ok", "srv"),
            (".hidden", ".hidden"),
            ("a/dir/", "dir"),
            ("npm", "npm"),
        ] {
            assert_eq!(default_name(script), name, "{script}");
        }
    }

    #[test]
    fn a_script_is_a_file_then_a_command_then_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        fs::create_dir_all(at.join("bin")).unwrap();
        fs::create_dir_all(at.join("work")).unwrap();
        let bash = file(at, "bin/bash", b"", 0o755);
        let tool = file(at, "bin/tool", b"", 0o755);
        let app = file(at, "work/my app.js", b"", 0o644);
        let beside = file(at, "run", b"", 0o755);
        let mut programs = programs(at);
        let work = at.join("work");
        let mut locate = |script: &str| locate(script, &work, at, &mut programs);
        assert_eq!(locate("my app.js"), Ok(Target::File(app)));
        assert_eq!(locate("tool"), Ok(Target::File(tool)));
        assert_eq!(locate("./run"), Ok(Target::File(beside)));
        assert_eq!(locate("tool --x"), Ok(Target::Line(bash)));
        assert_eq!(locate("absent.js"), Err(at.join("work/absent.js")));
        assert_eq!(locate("run"), Err(at.join("work/run")), "a bare word is no path");
    }

    #[test]
    fn the_extension_or_the_content_says_what_runs_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let mut programs = programs(at);
        let mut of = |name: &str, content: &[u8], mode| {
            let file = file(at, name, content, mode);
            interpreter(&file, &mut programs).map(String::from)
        };
        let mut by_name = |name: &str| of(name, b"", 0o644);
        for (name, program) in [
            ("a.js", "node"),
            ("a.cjs", "node"),
            ("a.mjs", "node"),
            ("a.sh", "bash"),
            ("a.py", "python"),
            ("a.rb", "ruby"),
            ("a.php", "php"),
            ("a.pl", "perl"),
            ("a.coffee", "coffee"),
            ("a.ls", "lsc"),
            ("a.tsx", "bun"),
            ("plain", "node"),
            ("a.JS", "node"),
        ] {
            assert_eq!(by_name(name).as_deref(), Some(program), "{name}");
        }
        assert_eq!(by_name("a.ts"), None);
        let mut by_content = |content: &[u8], mode| of("x", content, mode).unwrap_or_default();
        assert_eq!(by_content(b"\x7fELF\0\0", 0o755), "none");
        assert_eq!(by_content(b"#!/bin/sh\necho", 0o755), "none");
        assert_eq!(by_content(b"#!/bin/sh\necho", 0o644), "node");
        assert_eq!(by_content(b"#!/usr/bin/env node\n", 0o755), "node");
        assert_eq!(by_content(b"#!/usr/bin/env -S node --x\n", 0o755), "none");
        assert_eq!(by_content(b"#! /opt/bin/node", 0o755), "node");
        assert_eq!(by_content("äöü ñ 漢字".as_bytes(), 0o755), "node");
        assert_eq!(by_content(b"\xff\xfe\xfd text", 0o755), "none");
        assert_eq!(by_content(b"\xef\xbb\xbf\0", 0o755), "node");
        assert_eq!(interpreter(at, &mut programs).map(String::from).as_deref(), Some("node"), "a directory");
    }

    #[test]
    fn python_may_be_called_python3() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("bin")).unwrap();
        file(directory.path(), "bin/python3", b"", 0o755);
        let script = file(directory.path(), "a.py", b"", 0o644);
        let found = interpreter(&script, &mut programs(directory.path()));
        assert_eq!(found, Some(Interpreter::Program("python3".to_owned())));
    }
}
