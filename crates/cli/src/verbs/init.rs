//! `init`, `ecosystem`: a file to begin with.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
};

use clap::Args;
use rpm_core::Persona;

use super::{Invocation, Verb};
use crate::failure::Failure;

pub(super) const VERB: Verb = Verb {
    name: "init",
    aliases: &["ecosystem"],
    about: "Write an ecosystem file to begin with",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Init {
    /// `simple`: one app, without comments.
    mode: Option<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Init { mode }) = invocation.read()?;
    let simple = mode.is_some_and(|mode| mode == "simple");
    let (name, text) = match (context.persona(), simple) {
        (Persona::Rpm, false) => ("ecosystem.toml", include_str!("../templates/ecosystem.toml")),
        (Persona::Rpm, true) => ("ecosystem.toml", include_str!("../templates/simple.toml")),
        (_, false) => ("ecosystem.config.js", include_str!("../templates/ecosystem.config.js")),
        (_, true) => ("ecosystem.config.js", include_str!("../templates/simple.config.js")),
    };
    let path = context.cwd.join(name);
    // PM2 overwrites what is there.
    let overwrites = context.options.force || context.persona() != Persona::Rpm;
    let mut options = OpenOptions::new();
    let options = options.write(true).create(overwrites).truncate(overwrites).create_new(!overwrites);
    options.open(&path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Failure::Error(match error.kind() {
            ErrorKind::AlreadyExists => {
                format!("{} is there already: --force overwrites it", path.display())
            }
            _ => format!("cannot write {}: {error}", path.display()),
        })
    })?;
    context.out.line(&format!("File {} generated", path.display()));
    Ok(())
}
