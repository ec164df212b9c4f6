//! `import`: takes over the list that PM2 has saved.

use std::path::PathBuf;

use clap::Args;
use rpm_core::{Home, Persona};

use super::{Invocation, Verb, resurrect::restore};
use crate::{context::variable, failure::Failure};

pub(super) const VERB: Verb =
    Verb { name: "import", aliases: &[], about: "Start what PM2 has saved", takes_options: false, run };

#[derive(Args, Debug)]
struct Import {
    /// A dump, of PM2 or of rpm [default: `dump.pm2` in `$PM2_HOME` or `~/.pm2`]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Import { file }) = invocation.read()?;
    let file = match file {
        Some(file) => context.cwd.join(file),
        None => Home::locate(Persona::Pm2, variable, &context.cwd)
            .map(|home| home.dump())
            .ok_or_else(|| Failure::Error("no home of PM2: name the file".to_owned()))?,
    };
    if !file.exists() {
        return Err(Failure::Error(format!("File {} not found", file.display())));
    }
    // What PM2's daemon runs there would run twice. A link is followed to the home that it leads to.
    let found = file.canonicalize().unwrap_or_else(|_| file.clone());
    for home in [file.parent(), found.parent()].into_iter().flatten() {
        rpm_client::refuse_other_owner(home)?;
    }
    let mut connection = context.connect_or_spawn()?;
    restore(&mut context, &mut connection, Some(&file))?;
    context.show_list(Some(&mut connection))
}
