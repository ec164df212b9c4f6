//! `start`, `stop`, `restart`, `delete` and `reset` of processes that are there, and the end of all.

use std::{collections::HashMap, sync::Arc};

use rpm_core::{
    AppSpec, Cause, Env, Persona, Selector,
    protocol::{Act, Action, Failure, Reply},
};
use serde_json::{Map, Value};

use super::{grow::check_declared, refuse};
use crate::{
    god::{Change, God, check_watch, reply},
    machine::Event,
    table::Replies,
};

impl God {
    /// Does one thing to each selected process.
    pub(crate) fn act(&mut self, act: &Act, replies: &Replies) {
        let event = match act.action {
            Action::Start => Event::Start(Cause::User.into()),
            Action::Stop => Event::Stop,
            Action::Restart => Event::Restart(Cause::Restart.into()),
            Action::Reload => Event::Reload(Cause::Reload.into()),
            Action::Delete => Event::Delete,
            Action::Reset => Event::Reset,
            Action::ToggleWatch => return self.act_on_watch(&act.target, replies),
        };
        if self.is_ending() {
            return refuse(replies, Failure::Ending);
        }
        let ids = match self.table.resolve(&act.target) {
            Ok(ids) => ids,
            Err(failure) => return refuse(replies, failure),
        };
        // All declarations are checked before the first process is touched.
        let mut changed = HashMap::new();
        if !act.patch.is_empty() {
            for process in ids.iter().filter_map(|&id| self.table.get(id)) {
                match patched(&process.spec, &act.patch) {
                    Ok(spec) => {
                        let checked = check_watch(&spec).and_then(|()| check_declared(&spec));
                        if let Err(failure) = checked {
                            return refuse(replies, failure);
                        }
                        changed.insert(process.id, Arc::new(spec));
                    }
                    Err(error) => return refuse(replies, Failure::BadRequest(error.to_string())),
                }
            }
        }
        if let Some(env) = act.env.as_ref().filter(|_| self.home.persona() != Persona::Rpm) {
            for process in ids.iter().filter_map(|&id| self.table.get(id)) {
                let spec = changed.get(&process.id).unwrap_or(&process.spec);
                if let Some(spec) = outdone_by(env, spec) {
                    changed.insert(process.id, Arc::new(spec));
                }
            }
        }
        if matches!(act.action, Action::Stop | Action::Delete) {
            self.stop_growing(&ids);
        }
        self.announce(&ids, replies);
        let env = act.env.clone().map(Arc::new);
        let mut change = |id| Change { spec: changed.remove(&id), env: env.clone() };
        let changes: Vec<_> = ids.iter().map(|&id| (id, change(id))).collect();
        if act.action == Action::Reload {
            return self.reload(changes, replies);
        }
        for (id, change) in changes {
            self.bring_in(id, change, replies);
            if matches!(act.action, Action::Stop | Action::Delete) {
                self.unwatch(id);
                self.hurry_retired(id);
                self.sweep(id);
            }
        }
        match act.action {
            Action::Stop | Action::Delete => self.unwind(&ids, &event, Some(replies)),
            _ => {
                for &id in &ids {
                    self.order(id, event.clone(), replies);
                }
            }
        }
    }

    fn act_on_watch(&mut self, target: &Selector, replies: &Replies) {
        let ids = match self.table.resolve(target) {
            Ok(ids) => ids,
            Err(failure) => return refuse(replies, failure),
        };
        if let Err(failure) = self.toggle_watch(&ids, replies) {
            return refuse(replies, failure);
        }
        for process in ids.iter().filter_map(|&id| self.table.get(id)) {
            reply(replies, Reply::Acted(process.acted(false)));
        }
    }

    /// Stops and forgets all, then ends the daemon. The answer is complete when all that is done.
    pub(crate) fn kill(&mut self, replies: Replies) {
        self.growths.clear();
        let ids: Vec<_> = self.table.iter().map(|process| process.id).collect();
        self.announce(&ids, &replies);
        for &id in &ids {
            self.hurry_retired(id);
            self.sweep(id);
        }
        self.unwind(&ids, &Event::Delete, Some(&replies));
        self.on_end(replies);
    }
}

/// `spec` without the variables that the shell of `--update-env` has, too: under PM2 the shell wins. `None` if it has none
/// of them.
fn outdone_by(shell: &Env, spec: &AppSpec) -> Option<AppSpec> {
    let both: Vec<_> = spec.env.keys().filter(|name| shell.contains_key(name.as_str())).cloned().collect();
    if both.is_empty() {
        return None;
    }
    let mut spec = spec.clone();
    for name in &both {
        spec.env.remove(name);
    }
    Some(spec)
}

/// `spec` with some attributes replaced; `null` takes one out.
fn patched(spec: &AppSpec, patch: &Map<String, Value>) -> serde_json::Result<AppSpec> {
    let mut value = serde_json::to_value(spec)?;
    if let Value::Object(attributes) = &mut value {
        for (name, new) in patch {
            if new.is_null() {
                attributes.remove(name);
            } else {
                attributes.insert(name.clone(), new.clone());
            }
        }
    }
    serde_json::from_value(value)
}

#[cfg(test)]
mod tests {
    use rpm_core::{Interpreter, Millis};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_replaces_and_removes() {
        let mut spec = AppSpec::new("a", "/a".into(), Interpreter::None, "/".into());
        spec.restart_delay = Some(Millis(5));
        spec.kill_timeout = Some(Millis(5));
        let patch = json!({ "name": "b", "restart_delay": null, "kill_timeout": 7 });
        let Value::Object(patch) = patch else { unreachable!() };
        let spec = patched(&spec, &patch).unwrap();
        assert_eq!((spec.name.as_str(), spec.restart_delay, spec.kill_timeout), ("b", None, Some(Millis(7))));
        let bad = Map::from_iter([("kill_timeout".to_owned(), json!("soon"))]);
        assert!(patched(&spec, &bad).is_err());
    }
}
