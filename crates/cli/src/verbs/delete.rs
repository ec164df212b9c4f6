//! `delete`: ends processes and forgets them.

use rpm_core::protocol::Action;

use super::{Verb, targets};

pub(super) const VERB: Verb = Verb {
    name: "delete",
    aliases: &["del"],
    about: "Stop processes and take them off the list",
    takes_options: false,
    run: |invocation| targets::each(invocation, Action::Delete),
};
