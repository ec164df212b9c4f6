//! `scale`: more or fewer processes of an app.

use std::sync::Arc;

use rpm_core::{
    AppSpec, Cause, Persona,
    protocol::{Failure, Scale, ScaleTo},
};

use super::{
    grow::{Copies, check_count},
    refuse,
};
use crate::{god::God, machine::Event, table::Replies};

impl God {
    /// Makes the processes of the apps with a name more or fewer: adds copies of an app's first process, or deletes those
    /// with the highest instance numbers, so that 0 to n - 1 remain; as `pm2` those with the lowest ids, as PM2 does. A
    /// worker finishes what it has.
    pub(crate) fn scale(&mut self, scale: &Scale, replies: &Replies) {
        if self.is_ending() {
            return refuse(replies, Failure::Ending);
        }
        // One name in several namespaces is several apps, each of which gets the number.
        let mut apps: Vec<Arc<AppSpec>> = Vec::new();
        for process in self.table.called(&scale.app) {
            if !apps.iter().any(|app| process.is_of(app)) {
                apps.push(Arc::clone(&process.spec));
            }
        }
        if apps.is_empty() {
            return refuse(replies, Failure::UnknownApp(scale.app.clone()));
        }
        let mut has_changed = false;
        for app in &apps {
            match self.scale_app(app, scale.to, replies) {
                Ok(changed) => has_changed |= changed,
                Err(failure) => return refuse(replies, failure),
            }
        }
        if !has_changed {
            refuse(replies, Failure::NothingToDo);
        }
    }

    /// Scales one app. Returns whether there was anything to do.
    fn scale_app(&mut self, app: &AppSpec, to: ScaleTo, replies: &Replies) -> Result<bool, Failure> {
        let Some(first) = self.table.of_app(app).next() else { return Ok(false) };
        // Those that a delete or a scale before this one is ending count no more.
        let staying = self.table.of_app(app).filter(|process| !process.life.is_leaving());
        let mut staying: Vec<_> = staying.map(|process| (process.instance, process.id)).collect();
        if self.home.persona() == Persona::Rpm {
            // Descending, because those at the front go.
            staying.sort_unstable_by(|a, b| b.cmp(a));
        }
        let ids: Vec<_> = staying.into_iter().map(|(_, id)| id).collect();
        let (spec, base_env) = (Arc::clone(&first.spec), Arc::clone(&first.base_env));
        let unique_id = Arc::clone(&first.unique_id);
        let wanted = match to {
            ScaleTo::Exactly(count) => count as usize,
            ScaleTo::Add(count) => ids.len().saturating_add(count as usize),
        };
        if wanted == ids.len() {
            return Ok(false);
        }
        check_count(&app.name, wanted as u64)?;
        // An earlier request may still be creating processes; this one counts instead.
        self.growths.cancel(app);
        let cause = (!spec.cron_only).then_some(Cause::Scale);
        let copies = Copies { spec, base_env, unique_id, cause };
        self.create_copies(copies, wanted.saturating_sub(ids.len()) as u32, replies);
        let surplus = &ids[..ids.len().saturating_sub(wanted)];
        if !surplus.is_empty() {
            self.announce(surplus, replies);
        }
        for &id in surplus {
            self.order(id, Event::Release, replies);
        }
        Ok(true)
    }
}
