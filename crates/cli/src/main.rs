//! `rpm`: PM2's verbs for the daemon.
//!
//! The way of a command: [`args`] finds the verb, the verb's file in [`verbs`] reads its arguments and asks the
//! daemon, [`render`] turns answers into text, [`output`] writes it. Nothing else writes.

mod act;
mod apps;
mod args;
mod context;
mod crowd;
mod deploy;
mod doctor;
mod extensions;
mod failure;
mod files;
mod foreground;
mod host;
mod logs;
mod max_parallel;
mod module_conf;
mod monit;
mod output;
mod reload_lock;
mod remembered;
mod render;
mod runs;
mod startup;
mod verbs;
mod web;
mod written;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut program = context::Program::from_environment();
    let outcome = verbs::run(&mut program);
    failure::conclude(&mut program.out, outcome)
}
