//! One function, run in a process of its own with limits of time and memory.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::Deserialize;

use crate::{
    child::{self, End, Limits, last_line},
    config::Netlify,
    stop::Stop,
};

/// What loads the function.
const HARNESS: &str = include_str!("probe.mjs");

/// Secrets of ours that are none of the function's.
const OURS: [&str; 4] = ["GITHUB_TOKEN", "GH_TOKEN", "NETLIFY_AUTH_TOKEN", "NETLIFY_BUILD_HOOK"];

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok(String),
    Err(String),
}

/// Loads a function and, unless it is not to be, sends it a test event. What it is and said, or what is wrong.
pub(crate) fn run(
    name: &str,
    file: &Path,
    root: &Path,
    settings: &Netlify,
    stop: &Stop,
) -> Result<String, String> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    // The function cannot know it.
    let mark = format!("{:?}#{}:", std::time::Instant::now(), RUNS.fetch_add(1, Ordering::Relaxed));
    let is_invoked = settings.invoke && !settings.not_invoked.iter().any(|other| other == name);
    let mut node = Command::new("node");
    // Of the memory that it may have a part is not the heap of JavaScript.
    node.arg(format!("--max-old-space-size={}", (settings.memory.value.0 >> 20).max(32)))
        .args(["--no-warnings", "--input-type=module", "--eval", HARNESS, "--", &mark])
        .arg(file)
        .args([name, if is_invoked { "invoke" } else { "load" }])
        .current_dir(root);
    for secret in OURS {
        node.env_remove(secret);
    }
    let limits = Limits { time: settings.timeout.value.into(), memory: Some(settings.memory.value) };
    let outcome = child::run(&mut node, limits, stop).map_err(|error| format!("cannot run node: {error}"))?;
    match outcome.end {
        End::TimedOut => {
            Err(format!("does not answer within {}", crate::moment::Spoken(settings.timeout.value)))
        }
        End::OutOfMemory(_) => Err(too_much(settings)),
        End::Stopped => Err("was not checked: the companion ends".to_owned()),
        End::Exited(status) => {
            let verdict = outcome.stdout.lines().rev().find_map(|line| line.strip_prefix(&mark));
            match verdict.and_then(|json| serde_json::from_str(json).ok()) {
                Some(Verdict::Ok(said)) => Ok(said),
                Some(Verdict::Err(wrong)) => Err(wrong),
                None if outcome.stderr.contains("heap out of memory") => Err(too_much(settings)),
                None => Err(format!("node ended with {status}: {}", last_line(&outcome.stderr))),
            }
        }
    }
}

fn too_much(settings: &Netlify) -> String {
    format!("needs more memory than {}", rpm_core::units::Memory(settings.memory.value))
}

#[cfg(test)]
mod tests {
    use rpm_core::{Bytes, Millis};

    use super::*;

    /// What becomes of a function that is this text.
    fn run_as(file: &str, text: &str) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(file);
        std::fs::write(&path, text).unwrap();
        let mut settings = Netlify { not_invoked: vec!["quiet".to_owned()], ..Netlify::default() };
        settings.timeout.value = Millis(20_000);
        settings.memory.value = Bytes(160 << 20);
        if text.contains("for (;;);") || text.contains("Promise(() => {})") {
            settings.timeout.value = Millis(400);
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        run(name, &path, directory.path(), &settings, &Stop::never().unwrap())
    }

    #[test]
    fn functions_of_every_form_answer() {
        for (file, text, said) in [
            (
                "a.js",
                "exports.handler = async (event) => ({ statusCode: event.httpMethod === 'GET' ? 200 : 405 })",
                "v1, answers 200",
            ),
            (
                "b.cjs",
                "exports.handler = (event, context, done) => setTimeout(done, 1, null, { statusCode: 201 })",
                "v1, answers 201",
            ),
            ("c.mjs", "export const handler = async () => undefined", "v1, answers 200"),
            (
                "d.mjs",
                "export default async (request) => new Response(request.url, { status: 404 })",
                "v2, answers 404",
            ),
            (
                "e.mjs",
                "console.log('x'.repeat(200000)); export default () => Response.json({})",
                "v2, answers 200",
            ),
            (
                "f.cjs",
                "exports.__esModule = true; exports.default = async () => new Response('')",
                "v2, answers 200",
            ),
            ("quiet.js", "exports.handler = () => { throw new Error('it was called') }", "v1, loads"),
        ] {
            assert_eq!(run_as(file, text).as_deref(), Ok(said), "{file}");
        }
    }

    #[test]
    fn functions_that_are_wrong_say_how() {
        for (file, text, wrong) in [
            ("a.js", "exports.handler = async () => { for (;;); }", "does not answer within 400 ms"),
            (
                "b.js",
                "exports.handler = () => new Promise(() => {}); setInterval(() => {}, 1000)",
                "does not answer within",
            ),
            ("c.js", "throw new TypeError('at load\\nmore')", "does not load: TypeError: at load"),
            ("d.js", "exports.handler = 7", "exports neither a handler nor a default function"),
            (
                "e.js",
                "require('no-such-package')",
                "a dependency cannot be resolved: Error: Cannot find module 'no-such-package'",
            ),
            (
                "f.mjs",
                "import x from './gone.mjs'; export default x",
                "a dependency cannot be resolved: Error",
            ),
            ("g.js", "exports.handler = async () => ({ statusCode: 502 })", "v1, answers 502"),
            ("h.js", "exports.handler = async () => { throw new Error('inside') }", "throws: Error: inside"),
            ("i.js", "exports.handler = async () => process.exit(0)", "it ended before it had answered"),
            ("j.js", "exports.handler = () => new Promise(() => 0)", "it ended before it had answered"),
            (
                "k.js",
                "const a = []; exports.handler = async () => { for (;;) a.push(Buffer.alloc(1 << 20, 1)) }",
                "needs more memory than 160mb",
            ),
            (
                "l.js",
                "exports.handler = async () => process.kill(process.pid, 'SIGKILL')",
                "node ended with signal: 9",
            ),
            ("m.js", "exports.handler = async (", "does not load: SyntaxError"),
        ] {
            let error = run_as(file, text).unwrap_err();
            assert!(error.contains(wrong), "{file}: {error}");
        }
    }
}
