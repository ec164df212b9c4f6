//! From files and command lines to checked apps.
//!
//! A file goes forward only: `source` → a parser of `formats` → a tree of `node`s → `file` and the
//! table of `attributes` → a [`Declaration`] for each app → `spec` → `AppSpec`. Each step collects what is wrong
//! and goes on, so that a [`LoadError`] tells everything at once, with places. A command line joins at the
//! [`Declaration`], so that an option is checked by the code that checks a file.
//!
//! A further attribute is a line in `attributes` and one in `spec`; a further format is a line in `formats` and
//! a file beside `toml.rs`. The way back, from a tree to TOML, is `convert`.

mod account;
mod arguments;
mod attributes;
mod caller;
mod convert;
mod declare;
mod dependencies;
mod environment;
mod extras;
mod file;
mod formats;
mod health;
mod javascript;
mod json;
mod limits;
mod node;
mod package;
mod parallel;
mod report;
mod script;
mod source;
mod spec;
mod statics;
mod toml;
mod typescript;
mod values;
mod watch;
mod yaml;

use rpm_core::AppSpec;

pub use account::Account;
pub use attributes::Declaration;
pub use caller::Caller;
pub use convert::{Converted, convert};
pub use dependencies::Unresolved;
pub use environment::EnvChange;
pub use file::{BESIDE_A_FILE, Loaded, Options, Use, load, load_text, tree};
pub use formats::is_ecosystem_file;
pub use node::{Entry, Node, Value};
pub use report::{LoadError, Problem, Report, Severity};
pub use source::{Source, Span};
pub use statics::VERB as SERVE_VERB;
pub use values::Cron;
pub use watch::WatchOptions;
pub use yaml::parse as parse_yaml;

use spec::Resolver;

/// The app of `rpm start TARGET` with options.
///
/// `target` is a file relative to the caller's directory (or to the declared one), a command, or a line for the
/// shell. Where it is none of these the message is PM2's, `Script not found: <absolute path>`; so it is where what runs
/// it is not installed.
pub fn from_script(target: &str, declaration: &Declaration, caller: &Caller) -> Result<AppSpec, LoadError> {
    let mut declaration = declaration.clone();
    declaration.set("script", target)?;
    let mut resolver = Resolver::new(caller, caller.cwd.clone());
    let app = resolver.spec(declaration)?;
    resolver.find_interpreter(&app)?;
    Ok(app)
}

/// What the options of `rpm restart TARGET` change, as `rpm_core::protocol::Act::patch` wants it: fields of
/// `AppSpec` by name, `null` where one is switched off.
pub fn patch(
    declaration: &Declaration,
    caller: &Caller,
) -> Result<serde_json::Map<String, serde_json::Value>, LoadError> {
    Ok(Resolver::new(caller, caller.cwd.clone()).patch(declaration)?)
}
