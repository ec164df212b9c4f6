//! `deploy`: brings the source of an app to other machines; see [`crate::deploy`].

use std::{path::Path, process::Command};

use clap::Args;

use super::{Invocation, Verb};
use crate::{
    apps,
    context::Context,
    deploy::{Target, quoted},
    failure::Failure,
};

pub(super) const VERB: Verb = Verb {
    name: "deploy",
    aliases: &[],
    about: "Bring the source of an app to other machines (`deploy help` tells how)",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Deploy {
    /// The file, or the environment in one of the usual files; then environment, command and its arguments.
    #[arg(required = true, value_name = "file|environment", num_args = 1.., allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Where `deploy` is looked for, in this order.
const FILES: &[&str] = &[
    "ecosystem.toml",
    "ecosystem.json",
    "ecosystem.yml",
    "ecosystem.yaml",
    "ecosystem.config.js",
    "ecosystem.config.cjs",
    "ecosystem.config.mjs",
    "ecosystem.json5",
    "package.json",
];

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Deploy { words }) = invocation.read()?;
    let mut words = words.into_iter().peekable();
    if words.peek().is_some_and(|word| word == "help") {
        let word = context.persona().word();
        context.out.text(&include_str!("../templates/deploy.txt").replace("{word}", word));
        return Ok(());
    }
    let named = words.next_if(|word| rpm_ecosystem::is_ecosystem_file(word));
    let file = named
        .or_else(|| FILES.iter().find(|file| context.cwd.join(file).exists()).map(|file| (*file).to_owned()))
        .ok_or_else(|| {
            Failure::Error(format!("no file that declares `deploy`: looked for {}", FILES.join(", ")))
        })?;
    let environment = words.next().ok_or_else(|| Failure::Error(format!("{file}: which environment?")))?;
    let tree = rpm_ecosystem::tree(Path::new(&file), &apps::caller(&context))
        .map_err(|error| apps::tell(context.out, &error))?;
    let table = &tree["deploy"][&environment];
    if table.is_null() {
        return Err(Failure::Error(format!("{environment} environment is not defined in {file}")));
    }
    let targets = Target::read_all(table)
        .map_err(|error| Failure::Error(format!("{file}: deploy.{environment}: {error}")))?;
    let rest: Vec<_> = words.collect();
    let order = Order::read(&rest).map_err(Failure::Error)?;
    let default = format!(
        "{} startOrRestart {} --env {}",
        context.persona().word(),
        quoted(&file),
        quoted(&environment)
    );
    let outcome = targets.first().map_or(Ok(()), |target| prepare(&context, target, &order)).and_then(|()| {
        targets.iter().try_for_each(|target| {
            context.out.line(&format!("--> Deploying to {environment} environment"));
            context.out.line(&format!("--> on host {}", target.host));
            carry_out(target, &order, &default)
        })
    });
    match outcome {
        Ok(()) => {
            context.out.line("--> Success");
            Ok(())
        }
        Err(message) => Err(Failure::Bare(format!("\nDeploy failed\n{message}"))),
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    Setup,
    Update(Option<String>),
    /// Back by so many deployments.
    Revert(u32),
    Current,
    Previous,
    List,
    Exec(String),
}

impl Order {
    fn read(words: &[String]) -> Result<Self, String> {
        let Some((first, rest)) = words.split_first() else { return Ok(Self::Update(None)) };
        Ok(match first.as_str() {
            "setup" => Self::Setup,
            "update" => Self::Update(None),
            "revert" => match rest.first().map_or(Ok(1), |text| text.parse()) {
                Ok(count) => Self::Revert(count),
                Err(_) => return Err(format!("revert: {:?} is no number", rest[0])),
            },
            "curr" | "current" => Self::Current,
            "prev" | "previous" => Self::Previous,
            "list" => Self::List,
            "exec" | "run" if rest.is_empty() => return Err(format!("{first}: which command?")),
            "exec" | "run" => Self::Exec(rest.join(" ")),
            "ref" => return Ok(Self::Update(rest.first().cloned())),
            reference => Self::Update(Some(reference.to_owned())),
        })
    }
}

/// What happens here, once, before a host is asked.
fn prepare(context: &Context, target: &Target, order: &Order) -> Result<(), String> {
    let Order::Update(_) = order else { return Ok(()) };
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(&context.cwd).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let is_ours = git(&["rev-parse", "--is-inside-work-tree"]).is_some();
    if is_ours && !context.options.force {
        if git(&["diff", "--quiet", "HEAD"]).is_none() {
            return Err(
                "commit or stash your changes before deploying (--force deploys all the same)".to_owned()
            );
        }
        // Where the reference is not known here, nothing can be said about it.
        let unpushed = git(&["rev-list", &format!("{}..HEAD", target.reference)]);
        if unpushed.is_some_and(|commits| !commits.is_empty()) {
            return Err("push your changes before deploying (--force deploys all the same)".to_owned());
        }
    }
    match &target.hooks.pre_deploy_local {
        Some(hook) => {
            succeed(Command::new("sh").args(["-c", hook]).current_dir(&context.cwd), "pre-deploy-local")
        }
        None => Ok(()),
    }
}

fn carry_out(target: &Target, order: &Order, default: &str) -> Result<(), String> {
    let host = &target.host;
    let run = |script: &str| succeed(Command::new("ssh").args(target.ssh()).arg(script), host);
    let scripts = match order {
        Order::Setup => target.setup(),
        Order::Update(reference) => target.update(reference.as_deref().unwrap_or(&target.reference), default),
        Order::Revert(count) => {
            let script = target.deploys(&format!("tail -n {} ", u64::from(*count) + 1));
            let output = Command::new("ssh").args(target.ssh()).arg(script).output();
            let output = output.map_err(|error| format!("cannot run ssh: {error}"))?;
            let commits = String::from_utf8_lossy(&output.stdout).into_owned();
            let commits: Vec<_> = commits.split_whitespace().collect();
            if !output.status.success() || commits.len() <= *count as usize {
                return Err(format!("{host}: there is no deployment {count} before the current one"));
            }
            target.update(commits[0], default)
        }
        Order::Current => vec![target.deploys("tail -n 1")],
        Order::Previous => vec![target.deploys("tail -n 2") + " | head -n 1"],
        Order::List => vec![target.deploys("tac")],
        Order::Exec(line) => vec![target.exec(line)],
    };
    scripts.iter().try_for_each(|script| run(script))
}

fn succeed(command: &mut Command, what: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what}: it ended with {status}")),
        Err(error) => Err(format!("{what}: cannot run {}: {error}", command.get_program().to_string_lossy())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_pm2s() {
        let read = |line: &str| Order::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(read(""), Ok(Order::Update(None)));
        assert_eq!(read("update"), Ok(Order::Update(None)));
        assert_eq!(read("v1.2"), Ok(Order::Update(Some("v1.2".to_owned()))));
        assert_eq!(read("revert"), Ok(Order::Revert(1)));
        assert_eq!(read("revert 3"), Ok(Order::Revert(3)));
        assert_eq!(read("exec pm2 ls"), Ok(Order::Exec("pm2 ls".to_owned())));
        assert_eq!(
            (read("curr"), read("previous"), read("list")),
            (Ok(Order::Current), Ok(Order::Previous), Ok(Order::List))
        );
        assert!(read("revert x").is_err() && read("exec").is_err());
    }
}
