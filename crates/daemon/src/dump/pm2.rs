//! `dump.pm2`: the list as PM2 writes it, so that either program can go on with what the other has saved.

use std::sync::Arc;

use rpm_core::{
    AppSpec, Env, Home,
    name::Naming,
    pm2_env::{self, Pm2Env, Saved},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    meter::Usage,
    table::{Process, Table},
};

/// The key below which an entry holds what PM2's form cannot tell.
const OURS: &str = "_rpm";

/// What belongs to the running list and not to a saved one.
const NOT_SAVED: [&str; 3] = ["pm_id", "instances", "prev_restart_delay"];

/// An entry in full.
#[derive(Serialize, Deserialize)]
struct Full {
    app: Arc<AppSpec>,
    base_env: Arc<Env>,
    instance: u32,
    unique_id: Arc<str>,
    running: bool,
}

/// The table in PM2's form.
pub(super) fn collect(table: &Table) -> serde_json::Result<Vec<Map<String, Value>>> {
    table.apps().map(entry).collect()
}

fn entry(process: &Process) -> serde_json::Result<Map<String, Value>> {
    let info = process.info(Usage::default());
    let mut entry = match serde_json::to_value(Pm2Env::of(&info))? {
        Value::Object(entry) => entry,
        _ => Map::new(),
    };
    for key in NOT_SAVED {
        entry.remove(key);
    }
    let full = Full {
        app: Arc::clone(&process.spec),
        base_env: Arc::clone(&process.base_env),
        instance: process.instance,
        unique_id: Arc::clone(&process.unique_id),
        running: process.life.is_wanted_up(),
    };
    entry.insert(OURS.to_owned(), serde_json::to_value(full)?);
    Ok(entry)
}

/// The processes of a list that PM2 or [`collect`] wrote. The error says which entry is wrong.
pub(super) fn restore(entries: &[Value], home: &Home) -> Result<Vec<Saved>, String> {
    let restore = |(index, entry): (usize, &Value)| {
        let saved = match entry.get(OURS).map(Full::deserialize) {
            Some(Ok(Full { app, base_env, instance, unique_id, running })) => {
                let naming = Naming::of_new(home.persona());
                return Ok(Saved { spec: app, base_env, instance, unique_id, naming, running });
            }
            Some(Err(error)) => Err(error.to_string()),
            None => pm2_env::read(entry, home),
        };
        saved.map_err(|reason| format!("entry {}: {reason}", index + 1))
    };
    entries.iter().enumerate().map(restore).collect()
}
