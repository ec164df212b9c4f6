//! `apply`: the file is the truth. A plan is made of what differs, told, and carried out; the rest is not touched.

mod plan;

use clap::Args;
use rpm_client::Connection;
use rpm_core::{
    AppKey, ProcessInfo, Selector,
    protocol::{Act, Action, Existing, Reply, Request, Scale, ScaleTo, StartApps},
};
use rpm_ecosystem::Use;

use self::plan::{Plan, Step};
use super::{Invocation, Verb, start};
use crate::{
    act,
    apps::Declared,
    context::{self, Context},
    crowd,
    failure::Failure,
    max_parallel,
};

pub(super) const VERB: Verb = Verb {
    name: "apply",
    aliases: &[],
    about: "Make what runs agree with files: only what differs is touched",
    takes_options: true,
    run,
};

/// The exit code of a dry run that found something to be done.
const WOULD_CHANGE: u8 = 2;

#[derive(Args, Debug)]
struct Apply {
    /// Files that declare apps.
    #[arg(value_name = "file", required = true)]
    files: Vec<String>,
    /// Tell the plan and do nothing. The exit code is 2 if there would be something to do.
    #[arg(long)]
    dry_run: bool,
    /// Delete what no file declares.
    #[arg(long)]
    prune: bool,
    /// Tell the plan as data.
    #[arg(long)]
    json: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Apply { files, dry_run, prune, json }) = invocation.read()?;
    if prune && context.options.only.is_some() {
        return Err(Failure::Error(
            "--prune and --only exclude each other: --only looks at a part".to_owned(),
        ));
    }
    let mut declared = Declared::new(&mut context, Vec::new())?;
    let apps = start::load_all(&mut context, &mut declared, &files, Use::Start)?.concat();
    let mut connection = context.connect()?;
    let present = match &mut connection {
        Some(connection) => context::revealed(connection, None)?,
        None => Vec::new(),
    };
    let plan = Plan::new(apps, &present, prune).map_err(Failure::Error)?;
    let settings = max_parallel::changes(&context)?;
    if json {
        let mut told = serde_json::json!({ "steps": plan.told() });
        if !settings.is_empty() {
            told["settings"] = settings.as_slice().into();
        }
        context.out.document(told);
    } else {
        for setting in &settings {
            context.out.info(&format!("set     {setting}"));
        }
        plan.told().iter().for_each(|step| context.out.info(&step.to_string()));
    }
    if !plan.changes() && settings.is_empty() {
        if !json {
            context.out.info("Nothing to do");
        }
        return Ok(());
    }
    if dry_run {
        return Err(Failure::Exit(WOULD_CHANGE));
    }
    confirm_many(&mut context, &plan, &present)?;
    let mut connection = match connection {
        Some(connection) => connection,
        None => context.connect_or_spawn()?,
    };
    max_parallel::set(&mut context, &mut connection)?;
    let mut failed = false;
    for step in plan.steps {
        failed |= !carry_out(&mut context, &mut connection, &declared, step)?;
    }
    if failed { Err(Failure::Said) } else { Ok(()) }
}

/// Asks before an app gets very many processes, and before the first step is done.
fn confirm_many(context: &mut Context, plan: &Plan, present: &[ProcessInfo]) -> Result<(), Failure> {
    for step in &plan.steps {
        let (app, count) = match step {
            Step::Start(app) | Step::Restart { app, .. } => (app.key(), crowd::declared(app)),
            Step::Scale { app, to, .. } => (app.clone(), u64::from(*to)),
            Step::Remove(_) | Step::Wake(_) | Step::Keep(_) => continue,
        };
        let there = present.iter().filter(|info| info.spec.key() == app).count() as u64;
        crowd::confirm(context, &app.name, there, count)?;
    }
    Ok(())
}

/// Does one step. False if a process failed, which has been said then.
fn carry_out(
    context: &mut Context,
    connection: &mut Connection,
    declared: &Declared,
    step: Step,
) -> Result<bool, Failure> {
    let (request, action) = match step {
        Step::Keep(_) => return Ok(true),
        Step::Start(app) => (start(context, declared, app, Existing::Restart), Action::Start),
        Step::Restart { app, .. } if app.overlaps() => {
            (start(context, declared, app, Existing::Reload), Action::Reload)
        }
        Step::Restart { app, .. } => (start(context, declared, app, Existing::Restart), Action::Restart),
        Step::Wake(app) => (act(Action::Start, app), Action::Start),
        Step::Scale { app, to, .. } => {
            (Request::Scale(Scale { app: app.full_name(), to: ScaleTo::Exactly(to) }), Action::Start)
        }
        Step::Remove(app) => (act(Action::Delete, app), Action::Delete),
    };
    let mut went_well = true;
    for reply in connection.request(&request)? {
        match reply? {
            Reply::Acted(acted) => went_well &= act::tell(context, action, &acted),
            Reply::Note(note) => context.out.warn(&note),
            _ => {}
        }
    }
    Ok(went_well)
}

fn start(context: &Context, declared: &Declared, app: Box<rpm_core::AppSpec>, existing: Existing) -> Request {
    Request::Start(StartApps {
        apps: vec![*app],
        env: declared.env().clone(),
        existing,
        update_env: context.options.update_env,
    })
}

fn act(action: Action, app: AppKey) -> Request {
    Request::Act(Act { action, target: Selector::of_key(app), env: None, patch: serde_json::Map::new() })
}
