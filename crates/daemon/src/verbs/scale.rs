//! `scale`: more or fewer processes of an app.

use std::sync::Arc;

use rpm_core::{
    Cause, Persona,
    protocol::{Failure, Scale, ScaleTo},
};

use super::{
    grow::{Copies, check_count},
    refuse,
};
use crate::{god::God, machine::Event, table::Replies};

impl God {
    /// Adds copies of an app's first process, or deletes those with the highest instance numbers, so that 0 to n - 1
    /// remain; as `pm2` those with the lowest ids, as PM2 does. A worker finishes what it has.
    pub(crate) fn scale(&mut self, scale: &Scale, replies: &Replies) {
        if self.is_ending() {
            return refuse(replies, Failure::Ending);
        }
        let Some(first) = self.table.named(&scale.app).next() else {
            return refuse(replies, Failure::UnknownApp(scale.app.clone()));
        };
        // Those that a delete or a scale before this one is ending count no more.
        let staying = self.table.named(&scale.app).filter(|process| !process.life.is_leaving());
        let mut staying: Vec<_> = staying.map(|process| (process.instance, process.id)).collect();
        if self.home.persona() == Persona::Rpm {
            // Descending, because those at the front go.
            staying.sort_unstable_by(|a, b| b.cmp(a));
        }
        let ids: Vec<_> = staying.into_iter().map(|(_, id)| id).collect();
        let (spec, base_env) = (Arc::clone(&first.spec), Arc::clone(&first.base_env));
        let unique_id = Arc::clone(&first.unique_id);
        let wanted = match scale.to {
            ScaleTo::Exactly(count) => count as usize,
            ScaleTo::Add(count) => ids.len().saturating_add(count as usize),
        };
        if wanted == ids.len() {
            return refuse(replies, Failure::NothingToDo);
        }
        if let Err(failure) = check_count(&scale.app, wanted as u64) {
            return refuse(replies, failure);
        }
        // An earlier request may still be creating processes; this one counts instead.
        self.growths.cancel(&scale.app);
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
    }
}
