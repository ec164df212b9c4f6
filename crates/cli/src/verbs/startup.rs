//! `startup` and `unstartup`: a service that brings the daemon up when the machine boots.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;
use nix::unistd::{User, geteuid};
use rpm_core::Persona;

use super::{Invocation, Verb};
use crate::{
    args::options::Service,
    context::{Context, variable},
    failure::Failure,
    files,
    render::inspect,
    startup::{PLATFORMS, Plan, Platform, Subject},
};

pub(super) const STARTUP: Verb = Verb {
    name: "startup",
    aliases: &[],
    about: "Have the daemon brought up when the machine boots (--dry-run: only show how)",
    takes_options: false,
    run: startup,
};

pub(super) const UNSTARTUP: Verb =
    Verb { name: "unstartup", aliases: &[], about: "Take that back", takes_options: false, run: unstartup };

#[derive(Args, Debug)]
struct Startup {
    /// The init system; else the one that is there.
    platform: Option<String>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Where system programs are, beside what `PATH` says.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn startup(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Startup { platform, dry_run }) = invocation.read()?;
    let platform = choose(&mut context, platform.as_deref())?;
    let subject = subject(&context)?;
    if !dry_run && !geteuid().is_root() {
        return Err(ask_root(&mut context, "To setup the Startup Script", "startup", platform, &subject));
    }
    let plan = Plan::new(platform, &subject).map_err(Failure::Error)?;
    let commands: Vec<_> = plan.enable.iter().map(|words| format!("'{}'", words.join(" "))).collect();
    let out = &mut *context.out;
    out.line(&format!("Platform {}\nTemplate\n{}", platform.name(), plan.text));
    out.line(&format!("Target path\n{}\nCommand list\n{}", plan.target.display(), inspect::array(&commands)));
    if dry_run {
        out.info("Nothing was written, nothing was run (--dry-run)");
        return Ok(());
    }
    out.info(&format!("Writing init configuration in {}", plan.target.display()));
    write(&plan)?;
    out.info("Making script booting at startup...");
    for words in &plan.enable {
        run(&mut context, words)?;
    }
    let word = context.persona().word();
    let out = &mut *context.out;
    out.line("+---------------------------------------+");
    out.info(&format!("Freeze a process list on reboot via:\n$ {word} save\n"));
    out.info(&format!("Remove init script via:\n$ {word} unstartup {}", platform.name()));
    Ok(())
}

fn unstartup(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Startup { platform, dry_run }) = invocation.read()?;
    let platform = choose(&mut context, platform.as_deref())?;
    let subject = subject(&context)?;
    if !dry_run && !geteuid().is_root() {
        return Err(ask_root(&mut context, "To unsetup the Startup Script", "unstartup", platform, &subject));
    }
    let plan = Plan::new(platform, &subject).map_err(Failure::Error)?;
    if dry_run {
        let commands: Vec<_> = plan.disable.iter().map(|words| format!("'{}'", words.join(" "))).collect();
        let removed = format!("Removed file\n{}", plan.target.display());
        context.out.line(&format!("Command list\n{}\n{removed}", inspect::array(&commands)));
        context.out.info("Nothing was removed, nothing was run (--dry-run)");
        return Ok(());
    }
    if !plan.target.exists() {
        return Err(Failure::Error(format!("no init configuration in {}", plan.target.display())));
    }
    for words in &plan.disable {
        // What does not run cannot be stopped; the file goes all the same.
        if let Err(Failure::Error(message)) = run(&mut context, words) {
            context.out.warn(&message);
        }
    }
    fs::remove_file(&plan.target)
        .map_err(|error| Failure::Error(format!("cannot remove {}: {error}", plan.target.display())))?;
    context.out.info("Init file disabled.");
    Ok(())
}

/// The init system that is named, else the one that is there.
fn choose(context: &mut Context, name: Option<&str>) -> Result<&'static Platform, Failure> {
    let path = format!("{}:{SYSTEM_PATH}", variable("PATH").unwrap_or_default());
    let found = Platform::detect(|program| in_path(program, &path).is_some());
    if let Some(platform) = found {
        context.out.info(&format!("Init System found: {}", platform.name()));
    }
    let Some(name) = name else {
        return found.ok_or_else(|| {
            Failure::Error(format!("Init system not found: name one of {}", names().join(", ")))
        });
    };
    let chosen = Platform::by_name(name).ok_or_else(|| {
        Failure::Error(format!("Platform {name} is unknown: expected one of {}", names().join(", ")))
    })?;
    if let Some(found) = found.filter(|found| found.name() != chosen.name()) {
        context.out.warn(&format!("You asked for {}, but this machine has {}", chosen.name(), found.name()));
    }
    Ok(chosen)
}

fn names() -> Vec<&'static str> {
    PLATFORMS.iter().flat_map(|platform| platform.names.iter().copied()).collect()
}

pub(crate) fn in_path(program: &str, path: &str) -> Option<PathBuf> {
    env::split_paths(path).map(|directory| directory.join(program)).find(|candidate| candidate.is_file())
}

/// What the service is for: the user that is named, else the one who calls.
pub(crate) fn subject(context: &Context) -> Result<Subject, Failure> {
    let Service { user, home_directory, name, waits_for_network } = context.options.service.clone();
    let account = match &user {
        Some(name) => User::from_name(name).ok().flatten(),
        None => User::from_uid(geteuid()).ok().flatten(),
    };
    let account = account.ok_or_else(|| {
        Failure::Error(format!("User {} cannot be found", user.as_deref().unwrap_or("of this shell")))
    })?;
    let persona = context.persona();
    let dot = format!(".{}", persona.word());
    let is_other = user.is_some() && account.uid != geteuid();
    let home = match &home_directory {
        Some(directory) => context.cwd.join(directory).join(dot),
        None if is_other => account.dir.join(dot),
        None => context.home.root().to_owned(),
    };
    let executable = program(persona, &context.cwd)?;
    let directory = executable.parent().unwrap_or(Path::new("/")).display().to_string();
    let path = variable("PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| SYSTEM_PATH.to_owned());
    let mut directories: Vec<&str> = Vec::new();
    for directory in path.split(':').chain([directory.as_str()]).chain(SYSTEM_PATH.split(':')) {
        if !directory.is_empty() && !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    Ok(Subject {
        persona,
        path: directories.join(":"),
        user: account.name,
        home_directory: home_directory.map_or(account.dir, |directory| context.cwd.join(directory)),
        home,
        executable,
        service: name,
        waits_for_network,
    })
}

/// The path by which this program was called: its name says the persona.
fn program(persona: Persona, cwd: &Path) -> Result<PathBuf, Failure> {
    let called = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let found = if called.components().count() > 1 {
        Some(cwd.join(&called))
    } else {
        in_path(&called.to_string_lossy(), &variable("PATH").unwrap_or_default())
    };
    match (found, persona) {
        (Some(path), _) if path.is_file() => Ok(std::path::absolute(&path).unwrap_or(path)),
        (_, Persona::Rpm) => {
            env::current_exe().map_err(|error| Failure::Error(format!("no executable: {error}")))
        }
        _ => Err(Failure::Error("call pm2 by its path".to_owned())),
    }
}

/// Shows what has to be typed.
fn ask_root(context: &mut Context, to: &str, verb: &str, platform: &Platform, subject: &Subject) -> Failure {
    let Subject { executable, user, home_directory, .. } = subject;
    let directory = executable.parent().unwrap_or(Path::new("/")).display();
    context.out.info(&format!("{to}, copy/paste the following command:"));
    context.out.line(&format!(
        "sudo env PATH=\"$PATH:{directory}\" {} {verb} {} -u {user} --hp {}",
        executable.display(),
        platform.name(),
        home_directory.display()
    ));
    Failure::Said
}

fn write(plan: &Plan) -> Result<(), Failure> {
    let failed = |error| Failure::Error(format!("cannot write {}: {error}", plan.target.display()));
    if let Some(directory) = plan.target.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    files::replace(&plan.target, plan.text.as_bytes(), plan.mode).map_err(failed)
}

fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    let line = words.join(" ");
    context.out.info(&format!("[-] Executing: {line}..."));
    let (program, arguments) = words.split_first().ok_or(Failure::Said)?;
    match Command::new(program).args(arguments).status() {
        Ok(status) if status.success() => {
            context.out.info("[v] Command successfully executed.");
            Ok(())
        }
        Ok(status) => Err(Failure::Error(format!("{line} ended with {status}"))),
        Err(error) => Err(Failure::Error(format!("cannot run {line}: {error}"))),
    }
}
