//! `stop`: ends processes; they stay in the list.

use rpm_core::protocol::Action;

use super::{Verb, targets};

pub(super) const VERB: Verb = Verb {
    name: "stop",
    aliases: &[],
    about: "Stop processes",
    takes_options: false,
    run: |invocation| targets::each(invocation, Action::Stop),
};
