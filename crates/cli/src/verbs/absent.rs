//! Verbs of PM2 that belong to its vendor's paid service, or to Node: each says plainly that it is not here.

use clap::Args;

use super::{Invocation, Verb};
use crate::failure::Failure;

/// How the description of a verb begins that is not here.
pub(super) const MARK: &str = "Not here: ";

/// A verb that is not here.
const fn absent(name: &'static str, aliases: &'static [&'static str], about: &'static str) -> Verb {
    Verb { name, aliases, about, takes_options: false, run }
}

const SERVICE: &str = "Not here: it belongs to the paid service of PM2's vendor";
const INSTALLER: &str = "Not here: installing is copying one file; `update` then replaces the daemon";
const PROFILER: &str = "Not here: the daemon is no Node program that could be profiled";
const AUTHORING: &str = "Not here: modules are made with npm";

pub(super) const LINK: Verb = absent("link", &["interact"], SERVICE);
pub(super) const UNLINK: Verb = absent("unlink", &[], SERVICE);
pub(super) const MONITOR: Verb = absent("monitor", &[], SERVICE);
pub(super) const UNMONITOR: Verb = absent("unmonitor", &[], SERVICE);
pub(super) const OPEN: Verb = absent("open", &[], SERVICE);
pub(super) const PLUS: Verb = absent("plus", &["register"], SERVICE);
pub(super) const LOGIN: Verb = absent("login", &[], SERVICE);
pub(super) const LOGOUT: Verb = absent("logout", &[], SERVICE);
pub(super) const OTEL: Verb = absent("install-otel", &["uninstall-otel"], SERVICE);
pub(super) const DEEP_UPDATE: Verb = absent("deepUpdate", &["autoinstall"], INSTALLER);
pub(super) const PROFILE: Verb = absent("profile:mem", &["profile:cpu"], PROFILER);
pub(super) const GENERATE: Verb =
    absent("module:generate", &["package", "publish", "module:publish", "create"], AUTHORING);

#[derive(Args, Debug)]
struct Anything {
    #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
    _words: Vec<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let Verb { name, about, .. } = *invocation.verb;
    let (_, Anything { .. }) = invocation.read()?;
    let reason = about.strip_prefix(MARK).unwrap_or(about);
    Err(Failure::Error(format!("{name} is not here: {reason}")))
}
