//! One function, run in a process of its own with limits of time and memory.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use rpm_core::Env;
use serde::Deserialize;

use super::{
    scratch::Scratch,
    trigger::{Trial, Trigger},
};
use crate::{
    child::{self, End, Limits, Outcome, last_line},
    config::Netlify,
    stop::Stop,
};

/// What loads the function.
const HARNESS: &str = include_str!("probe.mjs");

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok(String),
    Err(String),
}

/// Tries a function in a copy of the project, as far as it may be. What it is and said, or what is wrong.
pub(super) fn run(
    (name, trial): (&str, Trial),
    file: &Path,
    place: (&Scratch, &Env),
    (settings, stop): (&Netlify, &Stop),
) -> Result<String, String> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let (scratch, env) = place;
    let file = scratch.at(file).ok_or("its file lies outside of the project: it is not run")?;
    let mut node = Command::new("node");
    let (own, withheld) = scratch.environment(env);
    node.current_dir(scratch.project()).env_clear().envs(own.iter());
    let mode = match trial {
        Trial::Parse(trigger) => return parse(node.arg("--check").arg(file), trigger, (settings, stop)),
        Trial::Invoke => "invoke",
        Trial::Load => "load",
    };
    // The function cannot know it.
    let mark = format!("{:?}#{}:", std::time::Instant::now(), RUNS.fetch_add(1, Ordering::Relaxed));
    // Of the memory that it may have a part is not the heap of JavaScript.
    node.arg(format!("--max-old-space-size={}", (settings.memory.value.0 >> 20).max(32)))
        .args(["--no-warnings", "--input-type=module", "--eval", HARNESS, "--", &mark])
        .arg(file)
        .args([name, mode])
        .arg(scratch.home())
        .arg(serde_json::Value::from(withheld).to_string());
    let outcome = limited(&mut node, (settings, stop))?;
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

fn limited(node: &mut Command, (settings, stop): (&Netlify, &Stop)) -> Result<Outcome, String> {
    let limits = Limits { time: settings.timeout.value.into(), memory: Some(settings.memory.value) };
    child::run(node, limits, stop).map_err(|error| format!("cannot run node: {error}"))
}

/// Checks the syntax of a function that must not be run.
fn parse(node: &mut Command, trigger: Trigger, limits: (&Netlify, &Stop)) -> Result<String, String> {
    let outcome = limited(node, limits)?;
    let wrong = outcome.stderr.lines().find(|line| line.starts_with("SyntaxError"));
    match (outcome.end, wrong) {
        (End::Exited(status), Some(wrong)) if !status.success() => Err(format!("does not load: {wrong}")),
        (End::Stopped, _) => Err("was not checked: the companion ends".to_owned()),
        // A kind of file that this node does not know says nothing of the function.
        _ => Ok(format!("is there, not run: {}", trigger.as_str())),
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
        let trial = if file == "quiet.js" { Trial::Load } else { Trial::Invoke };
        run_with(file, text, trial, &[])
    }

    fn run_with(file: &str, text: &str, trial: Trial, env: &[(&str, &str)]) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(file);
        std::fs::write(&path, text).unwrap();
        let mut settings = Netlify::default();
        settings.timeout.value = Millis(20_000);
        settings.memory.value = Bytes(160 << 20);
        if text.contains("for (;;);") || text.contains("Promise(() => {})") {
            settings.timeout.value = Millis(400);
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut own: Env =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        own.set("PATH", std::env::var("PATH").unwrap());
        let scratch = Scratch::new(directory.path()).unwrap();
        let stop = Stop::never().unwrap();
        let outcome = run((name, trial), &path, (&scratch, &own), (&settings, &stop));
        let files = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, 1, "the project is as it was");
        outcome
    }

    #[test]
    fn what_a_function_does_to_its_surroundings_is_done_to_a_copy() {
        let writes = "const fs = require('fs'), os = require('os'), { spawnSync } = require('child_process');
            exports.handler = async () => {
              for (const at of [process.cwd(), __dirname, os.homedir(), process.env.PWD]) fs.writeFileSync(at + '/made', '');
              const git = (...words) => spawnSync('git', words, { encoding: 'utf8' });
              const remotes = git('remote').stdout;
              const push = git('push', 'https://example.com/x', 'HEAD').stderr;
              if (remotes || !push) throw new Error(remotes + push);
              return { statusCode: 200 };
            }";
        assert_eq!(run_as("a.js", writes).as_deref(), Ok("v1, answers 200"));
    }

    #[test]
    fn secrets_are_withheld_and_a_function_that_needs_one_is_not_judged() {
        let env = [("NETLIFY_BUILD_HOOK_URL", "https://h.example/1"), ("PLAIN", "x")];
        let text = "exports.handler = async () => {
            const { NETLIFY_BUILD_HOOK_URL: hook, PLAIN } = process.env;
            const inherited = require('child_process').execSync('env').toString();
            if (PLAIN !== 'x' || inherited.includes('h.example')) process.exit(3);
            if (!hook) throw new Error('no hook');
            return { statusCode: 200 } }";
        let outcome = run_with("a.js", text, Trial::Invoke, &env);
        let said = "v1, not judged: it reads NETLIFY_BUILD_HOOK_URL, which checks do not pass on (throws: Error: no hook)";
        assert_eq!(outcome.as_deref(), Ok(said));
        assert!(run_with("a.js", text, Trial::Invoke, &[("PLAIN", "x")]).unwrap_err().contains("no hook"));
    }

    #[test]
    fn what_is_scheduled_is_never_run() {
        let directory = tempfile::tempdir().unwrap();
        let trace = directory.path().join("ran");
        let run = |config: &str| {
            format!(
                "import {{ appendFileSync }} from 'node:fs'; const mark = (what) => appendFileSync('{}', what);
                 mark('loaded'); export default async () => {{ mark('called'); return new Response('') }}; {config}",
                trace.display()
            )
        };
        let parse = Trial::Parse(Trigger::Scheduled);
        let outcome = run_with("a.mjs", &run(""), parse, &[]);
        assert_eq!(outcome.as_deref(), Ok("is there, not run: a scheduled function"));
        assert!(!trace.exists());
        assert!(run_with("a.mjs", "export default (", parse, &[]).unwrap_err().contains("SyntaxError"));
        // One whose source did not say it says it when it is loaded.
        let hidden = run("export const config = JSON.parse('{\"sche' + 'dule\": \"@daily\"}')");
        let outcome = run_with("a.mjs", &hidden, Trial::Invoke, &[]);
        assert_eq!(outcome.as_deref(), Ok("v2, loads, not called: a scheduled function"));
        assert_eq!(std::fs::read_to_string(&trace).unwrap(), "loaded");
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
