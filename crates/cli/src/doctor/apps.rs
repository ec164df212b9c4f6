//! The apps: whether what they need is there, and who has given up.

use std::{
    env,
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};
use rpm_core::{Persona, ProcessInfo, Status, name::printable};

use super::{Finding, names_of};

const SUBJECT: &str = "apps";

/// Where programs are looked for in an environment that names no place.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

pub(super) fn findings(processes: &[ProcessInfo], persona: Persona) -> Vec<Finding> {
    let word = persona.word();
    let mut findings: Vec<_> = processes.iter().filter_map(lacks).collect();
    let errored = || processes.iter().filter(|process| process.summary.status == Status::Errored);
    if errored().next().is_some() {
        findings.push(Finding::bad(
            SUBJECT,
            format!("given up after too many failures: {}", names_of(errored())),
            match persona {
                Persona::Rpm => "`rpm why NAME` tells what happened".to_owned(),
                _ => format!("`{word} logs NAME` tells what they said"),
            },
        ));
    }
    let unheld = || processes.iter().filter(|process| process.unheld.is_some());
    if let Some(why) = unheld().find_map(|process| process.unheld.as_deref()) {
        findings.push(Finding::warning(
            "limits",
            format!("not held by the kernel for {}: {why}", names_of(unheld())),
            format!("`{word} startup` on a system with systemd 254 or newer, or set RPM_CGROUP"),
        ));
    }
    if findings.is_empty() && !processes.is_empty() {
        findings.push(Finding::good(SUBJECT, "scripts, directories and interpreters are there"));
    }
    findings
}

/// What will be missing at the next start.
fn lacks(process: &ProcessInfo) -> Option<Finding> {
    let spec = &process.spec;
    let name = printable(&process.summary.name);
    let bad = |what: String, advice: String| Some(Finding::bad(SUBJECT, format!("{name}: {what}"), advice));
    if !spec.cwd.is_dir() {
        return bad(
            format!("its directory {} is not there", spec.cwd.display()),
            "it cannot be started again: make the directory, or declare another `cwd`".to_owned(),
        );
    }
    if !spec.script.exists() {
        return bad(
            format!("its script {} is not there", spec.script.display()),
            "it cannot be started again: put the script back, or delete the app".to_owned(),
        );
    }
    let interpreter = spec.interpreter.as_str();
    let env = process.env();
    let path = env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
    (interpreter != "none" && find(interpreter, path, &spec.cwd).is_none()).then(|| {
        Finding::bad(
            SUBJECT,
            format!("{name}: its interpreter {} is not in its PATH", printable(interpreter)),
            format!("install it, or restart the app with a PATH that has it (`restart {name} --update-env`)"),
        )
    })
}

fn find(program: &str, path: &str, cwd: &Path) -> Option<PathBuf> {
    let runs = |file: &PathBuf| access(file, AccessFlags::X_OK).is_ok() && file.is_file();
    if program.contains('/') {
        return Some(cwd.join(program)).filter(runs);
    }
    env::split_paths(path).map(|directory| cwd.join(directory).join(program)).find(runs)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{doctor::Level, render::sample};

    #[test]
    fn what_is_missing_is_told_before_it_is_needed() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = sample::info(1, "web", Status::Online);
        let mut spec = (*process.spec).clone();
        let told = |process: &ProcessInfo| lacks(process).map(|finding| finding.what).unwrap_or_default();
        spec.cwd = "/no/such".into();
        process.spec = Arc::new(spec.clone());
        assert!(told(&process).contains("/no/such"), "{}", told(&process));
        spec.cwd = directory.path().to_owned();
        process.spec = Arc::new(spec.clone());
        assert!(told(&process).contains("its script"), "{}", told(&process));
        spec.script = directory.path().to_owned();
        spec.interpreter = rpm_core::Interpreter::Program("no-such-program".to_owned());
        process.spec = Arc::new(spec.clone());
        assert!(told(&process).contains("no-such-program"), "{}", told(&process));
        spec.interpreter = rpm_core::Interpreter::None;
        process.spec = Arc::new(spec);
        assert_eq!(told(&process), "");
    }

    #[test]
    fn who_has_given_up_is_named() {
        let mut process = sample::info(1, "web", Status::Errored);
        let mut spec = (*process.spec).clone();
        (spec.cwd, spec.script) = ("/".into(), "/".into());
        spec.interpreter = rpm_core::Interpreter::None;
        process.spec = Arc::new(spec);
        let findings = findings(&[process], Persona::Rpm);
        assert_eq!((findings.len(), findings[0].level), (1, Level::Bad));
        assert!(findings[0].what.ends_with("web"), "{findings:?}");
    }
}
