//! `scale`: more or fewer processes of an app.

use std::sync::Arc;

use rpm_core::{
    Cause,
    protocol::{Failure, Scale, ScaleTo},
};

use super::{Declaration, refuse};
use crate::{god::God, machine::Event, table::Replies};

impl God {
    /// Adds copies of an app's first process, or deletes those with the lowest ids, as PM2 does; a worker
    /// finishes what it has.
    pub(crate) fn scale(&mut self, scale: &Scale, replies: &Replies) {
        if self.is_ending() {
            return refuse(replies, Failure::Ending);
        }
        let Some(first) = self.table.named(&scale.app).next() else {
            return refuse(replies, Failure::UnknownApp(scale.app.clone()));
        };
        // Those that a delete or a scale before this one is ending count no more.
        let staying = self.table.named(&scale.app).filter(|process| !process.life.is_leaving());
        let ids: Vec<_> = staying.map(|process| process.id).collect();
        let (spec, base_env) = (Arc::clone(&first.spec), Arc::clone(&first.base_env));
        let unique_id = Arc::clone(&first.unique_id);
        let wanted = match scale.to {
            ScaleTo::Exactly(count) => count as usize,
            ScaleTo::Add(count) => ids.len() + count as usize,
        };
        if wanted == ids.len() {
            return refuse(replies, Failure::NothingToDo);
        }
        for _ in ids.len()..wanted {
            let declaration = Declaration {
                spec: Arc::clone(&spec),
                base_env: Arc::clone(&base_env),
                unique_id: Arc::clone(&unique_id),
                naming: None,
            };
            self.create(declaration, (!spec.cron_only).then_some(Cause::Scale), replies);
        }
        let surplus = &ids[..ids.len().saturating_sub(wanted)];
        if !surplus.is_empty() {
            self.announce(surplus, replies);
        }
        for &id in surplus {
            self.order(id, Event::Release, replies);
        }
    }
}
