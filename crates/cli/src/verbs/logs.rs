//! `logs`: the last lines of logs, then what is written to them.

use std::{
    io,
    os::fd::AsFd,
    sync::mpsc::{self, Sender},
    thread,
};

use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rpm_core::Persona;

use super::{Invocation, Verb};
use crate::{
    failure::Failure,
    logs::{
        print::{Form, Printer},
        session::{Session, Wish},
        source::Streams,
        watch::{Wake, Watch},
    },
};

pub(super) const VERB: Verb =
    Verb { name: "logs", aliases: &["log"], about: "Show logs, and follow them", takes_options: false, run };

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
struct Logs {
    /// Whose logs: id, name, namespace, /regex/ or `all`.
    #[arg(value_name = "id|name|namespace", default_value = "all")]
    target: String,
    /// How many of the last lines of each file.
    #[arg(long, value_name = "n", default_value_t = 15)]
    lines: usize,
    /// Show the last lines only.
    #[arg(long)]
    nostream: bool,
    /// Lines without whose they are; standard error goes to standard error.
    #[arg(long)]
    raw: bool,
    /// Standard error only.
    #[arg(long)]
    err: bool,
    /// Standard output only.
    #[arg(long)]
    out: bool,
    /// New lines as JSON, and what happens to processes.
    #[arg(long, conflicts_with_all = ["raw", "format"])]
    json: bool,
    /// New lines as `key=value` fields.
    #[arg(long, conflicts_with = "raw")]
    format: bool,
    /// Mark this text in new lines.
    #[arg(long, value_name = "text", num_args = 0..=1, default_missing_value = "")]
    highlight: Option<String>,
    /// Date before each new line, in day.js tokens.
    #[arg(long, value_name = "format", num_args = 0..=1, default_missing_value = "YYYY-MM-DD-HH:mm:ss")]
    timestamp: Option<String>,
}

impl Logs {
    fn form(&self) -> Form {
        match (self.json, self.format, self.raw) {
            (true, ..) => Form::Json,
            (_, true, _) => Form::Fields,
            (.., true) => Form::Raw,
            _ => Form::Labelled,
        }
    }

    /// How many of the last lines are shown: a program that reads JSON or fields is told of new lines only.
    fn count(&self) -> usize {
        if self.json || self.format { 0 } else { self.lines }
    }

    fn wish(&self, persona: Persona) -> Wish {
        let Self { target, raw, err, out, .. } = self;
        let both = out == err;
        Wish {
            target: target.clone(),
            streams: Streams { out: both || *out, error: both || *err },
            daemon: (target == "all" && !raw && !err && !out) || target == persona.title(),
            count: self.count(),
        }
    }
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, logs) = invocation.read::<Logs>()?;
    let (sender, wakes) = mpsc::channel();
    // Watching begins before the first file is read: what is written in between is seen by both.
    let watch = if logs.nostream {
        None
    } else {
        Some(Watch::new(sender.clone()).map_err(|error| cannot_watch(&error))?)
    };
    let mut printer = Printer::new(context.out.paint, logs.form(), logs.timestamp.clone());
    printer.highlight =
        logs.highlight.as_ref().filter(|text| !text.is_empty()).map(|text| text.as_bytes().to_vec());
    let wish = logs.wish(context.persona());
    let mut session = Session::new(&mut context, wish, printer, watch, sender.clone());
    session.begin()?;
    if !logs.nostream {
        report_unread(sender);
        session.follow(&wakes);
    }
    Ok(())
}

/// Wakes when the reader of standard output goes, which no write would tell while there is nothing to write.
fn report_unread(wakes: Sender<Wake>) {
    thread::spawn(move || {
        let stdout = io::stdout();
        loop {
            // Errors and hang-ups are told without being asked for.
            let mut polled = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
            match poll(&mut polled, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => {
                    let _ = wakes.send(Wake::Unread);
                    return;
                }
                Err(_) => return,
            }
        }
    });
}

fn cannot_watch(error: &notify::Error) -> Failure {
    Failure::Error(format!("cannot watch files: {error}"))
}
