//! `convert`: an ecosystem file of any format as TOML with the same meaning.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::Path,
};

use clap::Args;

use super::{Invocation, Verb};
use crate::{apps, context::Context, failure::Failure};

pub(super) const VERB: Verb = Verb {
    name: "convert",
    aliases: &[],
    about: "Turn a file that declares apps into TOML (-o FILE, else on standard output)",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Convert {
    /// File that declares apps: TOML, JSON, JSON5, YAML, JavaScript; `-` is JSON on standard input.
    #[arg(value_name = "FILE")]
    file: String,
}

/// What the text is called where it goes to standard output.
const DEFAULT: &str = "ecosystem.toml";

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Convert { file }) = invocation.read()?;
    // `-o` is one of the global options.
    let output = context.options.attributes.iter().find(|(name, _)| *name == "out_file");
    let output = output.map(|(_, path)| path.clone());
    let to = output.as_deref().unwrap_or(DEFAULT);
    if Path::new(to).extension().is_none_or(|extension| extension != "toml") {
        return Err(Failure::Error(format!("{to}: expected a file whose name ends with .toml")));
    }
    let converted = rpm_ecosystem::convert(Path::new(&file), Path::new(to), &apps::caller(&context))
        .map_err(|error| apps::tell(context.out, &error))?;
    for warning in converted.warnings.rendered(false) {
        context.out.alert(&warning);
    }
    if output.is_none() {
        context.out.data(converted.text.as_bytes());
        return Ok(());
    }
    write(&mut context, to, &converted.text)
}

/// Writes a file that is not there yet; with `--force` also one that is.
fn write(context: &mut Context, to: &str, text: &str) -> Result<(), Failure> {
    let force = context.options.force;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(force).create_new(!force);
    let written = options.open(context.cwd.join(to)).and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => {
            context.out.info(&format!("File {to} generated"));
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Failure::Error(format!("File {to} is there already: name another, or add --force")))
        }
        Err(error) => Err(Failure::Error(format!("File {to} cannot be written: {error}"))),
    }
}
