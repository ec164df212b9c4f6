//! A terminal in which a command runs, and what it shows.

use std::{
    fs::File,
    io::{Read, Write},
    num::NonZero,
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use nix::{
    pty::{Winsize, openpty},
    sys::termios::{Termios, tcgetattr},
};
use rustix::termios::tcsetwinsize;
use vt100::Parser;

use crate::{
    Rpm, Words,
    wait::{LIMIT, within},
};

/// A command in a terminal of its own. It is killed when it goes out of scope.
pub struct Terminal {
    master: File,
    /// Kept open: its settings can be read after the command has ended.
    slave: OwnedFd,
    screen: Arc<Mutex<Parser>>,
    child: Child,
}

impl Terminal {
    /// Runs a verb as a login shell would: in a session of its own whose terminal this is.
    pub fn run(rpm: &Rpm, words: impl Words, (columns, rows): (u16, u16)) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).expect("there are pseudo-terminals");
        let stream = || Stdio::from(pty.slave.try_clone().expect("it is open"));
        let mut command: Command = rpm.command_under("setsid", &["--ctty", "--wait"], words);
        command.env("TERM", "xterm-256color").stdin(stream()).stdout(stream()).stderr(stream());
        let child = command.spawn().expect("setsid is installed");
        let screen = Arc::new(Mutex::new(Parser::new(cells(rows), cells(columns), 0)));
        let (shown, mut output) = (screen.clone(), File::from(pty.master.try_clone().expect("it is open")));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends with an error when nobody has the other side open any more.
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                lock(&shown).process(&bytes[..length]);
            }
        });
        Self { master: pty.master.into(), slave: pty.slave, screen, child }
    }

    /// The pid of the command.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Types.
    pub fn types(&self, keys: &str) {
        (&self.master).write_all(keys.as_bytes()).expect("the terminal is open");
    }

    /// Gives it another size.
    pub fn resize(&self, (columns, rows): (u16, u16)) {
        lock(&self.screen).screen_mut().set_size(cells(rows), cells(columns));
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).expect("it is a terminal");
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        lock(&self.screen).screen().contents()
    }

    /// Whether a program has taken the screen over, or the cursor away.
    pub fn is_taken(&self) -> bool {
        let parser = lock(&self.screen);
        parser.screen().alternate_screen() || parser.screen().hide_cursor()
    }

    /// The settings: what is done with what is typed.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.slave).expect("it is a terminal")
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        self.shows_where(text, |screen| screen.contains(text));
    }

    /// Waits until `condition` holds for the screen.
    #[track_caller]
    pub fn shows_where(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let shown = within(LIMIT, || condition(&self.screen()).then_some(())).is_some();
        assert!(shown, "the screen never showed {what:?}, but\n{}", self.screen());
    }

    /// Waits for the end of the command.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        match within(LIMIT, || self.child.try_wait().expect("it is a child")) {
            Some(status) => status,
            None => panic!("it does not end, and shows\n{}", self.screen()),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a screen has some")
}

fn lock(screen: &Mutex<Parser>) -> MutexGuard<'_, Parser> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}
