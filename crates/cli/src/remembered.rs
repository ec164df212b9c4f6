//! What the command line said once beside a file, and a later start, restart or stop of the file is to know: the environment
//! (`--env`) and the namespace (`--namespace`). The number of processes (`-i`) the daemon keeps by itself.

use std::collections::{BTreeMap, BTreeSet};

use rpm_core::{AppKey, AppSpec, Persona, ProcessInfo, app::DEFAULT_NAMESPACE, name::printable};
use rpm_ecosystem::Use;

use crate::{
    context::{self, Context},
    failure::Failure,
};

/// Gives the apps of a file what they were started with, as far as the command line does not say it again.
pub(crate) fn apply(
    context: &mut Context,
    apps: &mut [AppSpec],
    purpose: Use,
    has_namespace: bool,
) -> Result<(), Failure> {
    let is_told = purpose != Use::Select;
    let wants_profile = is_told && context.options.profile.is_none();
    let may_choose = wants_profile && apps.iter().any(|app| !app.profiles.is_empty());
    let may_move = !has_namespace && apps.iter().any(|app| app.namespace == DEFAULT_NAMESPACE);
    if !(may_choose || may_move) {
        return Ok(());
    }
    let Some(mut connection) = context.connect()? else { return Ok(()) };
    let rows = context::rows(&mut connection)?;
    let keys: BTreeSet<AppKey> = rows
        .iter()
        .map(|row| AppKey { namespace: row.namespace.to_string(), name: row.name.to_string() })
        .collect();
    let names: BTreeSet<&str> = keys.iter().map(|key| &*key.name).collect();
    let is_elsewhere = |app: &AppSpec| {
        app.namespace == DEFAULT_NAMESPACE && !keys.contains(&app.key()) && names.contains(&*app.name)
    };
    let moves = may_move && apps.iter().any(is_elsewhere);
    let is_there = |app: &AppSpec| !app.profiles.is_empty() && names.contains(&*app.name);
    if !(moves || may_choose && apps.iter().any(is_there)) {
        return Ok(());
    }
    let processes = context::processes(&mut connection, None)?;
    if moves {
        keep_namespaces(context, apps, &processes, is_told);
    }
    if may_choose {
        keep_profiles(context, apps, &processes);
    }
    Ok(())
}

/// An app that declares no namespace and runs in one alone is meant there. Where a file only names apps, as in a stop, the
/// name decides.
fn keep_namespaces(context: &mut Context, apps: &mut [AppSpec], processes: &[ProcessInfo], is_told: bool) {
    let declared: BTreeSet<AppKey> = apps.iter().map(AppSpec::key).collect();
    for app in apps.iter_mut().filter(|app| app.namespace == DEFAULT_NAMESPACE) {
        let same = processes.iter().map(|process| &process.spec).filter(|spec| spec.name == app.name);
        let namespaces: BTreeSet<&str> = same
            .filter(|spec| !is_told || spec.script == app.script)
            .map(|spec| spec.namespace.as_str())
            .collect();
        let mut namespaces = namespaces.into_iter();
        let (Some(only), None) = (namespaces.next(), namespaces.next()) else { continue };
        let key = AppKey { namespace: only.to_owned(), name: app.name.clone() };
        if only == DEFAULT_NAMESPACE || declared.contains(&key) {
            continue;
        }
        only.clone_into(&mut app.namespace);
        if is_told {
            let (name, only) = (printable(&app.name), printable(only));
            context.out.info(&format!("App {name} stays in the namespace {only:?} (--namespace {only})"));
        }
    }
}

/// Chooses again what was chosen last.
fn keep_profiles(context: &mut Context, apps: &mut [AppSpec], processes: &[ProcessInfo]) {
    let chosen: BTreeMap<AppKey, &str> = processes
        .iter()
        .filter_map(|process| Some((process.spec.key(), process.spec.profile.as_deref()?)))
        .collect();
    for app in apps {
        let Some(&profile) = chosen.get(&app.key()) else { continue };
        let Some(declared) = app.profiles.get(profile) else { continue };
        if context.persona() == Persona::Rpm {
            app.env.merge(declared);
        } else {
            // As in PM2, where what was chosen stays below what the file says now.
            let mut env = declared.clone();
            env.merge(&app.env);
            app.env = env;
        }
        app.profile = Some(profile.to_owned());
        let (name, profile) = (printable(&app.name), printable(profile));
        context.out.info(&format!("App {name} keeps the environment {profile:?} (--env {profile})"));
    }
}
