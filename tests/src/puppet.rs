//! An app that does what a test tells it, when the test tells it.

use std::{
    fs::{File, OpenOptions},
    io::Write,
};

use nix::{sys::stat::Mode, unistd::mkfifo};

use crate::Rpm;

/// A shell that a daemon runs as an app and that takes its commands from a test, through a pipe. So that nothing
/// depends on time: it writes, forks or ends exactly when it is told to.
#[derive(Debug)]
pub struct Puppet {
    pipe: File,
}

impl Puppet {
    /// Makes the strings of a puppet: whoever runs `puppet.sh <name>.pipe` is the puppet.
    pub fn new(rpm: &Rpm, name: &str) -> Self {
        let path = rpm.path(&format!("{name}.pipe"));
        mkfifo(&path, Mode::S_IRWXU).expect("there is none yet");
        // Open for reading as well: a command waits in the pipe while nobody is there to read it.
        let pipe = OpenOptions::new().read(true).write(true).open(&path).expect("it is ours");
        Self { pipe }
    }

    /// Starts the app `name`, with `options` of the command line.
    #[track_caller]
    pub fn start(rpm: &Rpm, name: &str, options: &str) -> Self {
        let puppet = Self::new(rpm, name);
        rpm.ok(&format!("start puppet.sh --name {name} {options} -- {name}.pipe"));
        puppet
    }

    /// Has it run a line of shell.
    pub fn does(&self, line: &str) {
        writeln!(&self.pipe, "{line}").expect("the pipe is open and not full");
    }
}
