//! The full screen: processes, and all about the one that is selected, as it goes on.
//!
//! [`model`] is what is shown and what becomes of it, [`view`] draws it; both are pure. Here is the loop between
//! them and the world: keys, the daemon ([`daemon`]), log files ([`follow`]) and the terminal ([`screen`]).

mod ansi;
mod daemon;
mod follow;
mod history;
mod keys;
mod list;
mod log;
mod model;
mod panes;
mod screen;
mod sheet;
mod view;

use std::{
    io::{self, IsTerminal},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::{SigSet, Signal, raise};
use ratatui::{
    crossterm::{event, style::force_color_output},
    layout::Rect,
};
use rpm_core::{Home, ProcessId};

use crate::{
    context::{Context, now_millis, variable},
    failure::Failure,
};
use follow::Following;
use model::{Effect, Event, Model};
use screen::Screen;

/// How often the daemon is asked. It measures at most once a second.
const PERIOD: Duration = Duration::from_secs(1);

/// What wakes the loop.
enum Input {
    Event(Event),
    /// The answer to a question.
    Told(Event),
    /// There are lines to be taken.
    Logged,
    /// A signal that ends the program.
    Ended(Signal),
    /// There will be no more keys.
    NoKeys(io::Error),
}

/// Shows the screen until it is closed.
pub(crate) fn run(context: &Context) -> Result<(), Failure> {
    if !io::stdout().is_terminal() || variable("TERM").is_some_and(|term| term == "dumb") {
        let command = context.persona().word();
        return Err(Failure::Error(format!(
            "monit needs a terminal that can be drawn on: `{command} list` prints the processes once"
        )));
    }
    if !context.out.paint.0 {
        force_color_output(false);
    }
    let (sender, inputs) = mpsc::channel();
    let signals = pass_signals_on(&sender).map_err(|error| Failure::Error(error.to_string()))?;
    let failed = |error: io::Error| Failure::Error(format!("the terminal failed: {error}"));
    let screen = Screen::open().map_err(failed)?;
    pass_keys_on(sender.clone());
    let ended =
        Session::new(context, screen, sender).and_then(|session| session.run(&inputs)).map_err(failed)?;
    if let End::Signal(signal) = ended {
        // The terminal is given back: now it does what the signal was meant to do.
        let _ = signals.thread_unblock();
        let _ = raise(signal);
    }
    Ok(())
}

/// Why it ends.
#[derive(Clone, Copy)]
enum End {
    /// Somebody wants it.
    Quit,
    Signal(Signal),
}

/// The loop and what it holds.
struct Session {
    home: Home,
    model: Model,
    screen: Screen,
    inputs: Sender<Input>,
    questions: Sender<Option<ProcessId>>,
    /// Whether an answer is still to come: there is never more than one, however slow daemon or terminal are.
    is_asking: bool,
    /// When to ask next.
    due: Instant,
    following: Option<Following>,
    /// Set when it is to end.
    end: Option<End>,
}

impl Session {
    fn new(context: &Context, screen: Screen, inputs: Sender<Input>) -> io::Result<Self> {
        let order = context.options.sort.as_deref();
        Ok(Self {
            home: context.home.clone(),
            model: Model::new(context.persona(), order, screen.area()?, now_millis()),
            screen,
            questions: daemon::ask(context.home.clone(), inputs.clone()),
            inputs,
            is_asking: false,
            due: Instant::now(),
            following: None,
            end: None,
        })
    }

    /// Goes on until the end.
    fn run(mut self, inputs: &Receiver<Input>) -> io::Result<End> {
        loop {
            self.ask_when_due();
            let Self { model, screen, .. } = &mut self;
            screen.draw(|frame| view::draw(frame, model, now_millis()))?;
            let pause =
                if self.is_asking { PERIOD } else { self.due.saturating_duration_since(Instant::now()) };
            match inputs.recv_timeout(pause) {
                Ok(input) => self.take(input)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(End::Quit),
            }
            // All that has come meanwhile is drawn at once.
            for input in inputs.try_iter() {
                self.take(input)?;
            }
            if let Some(end) = self.end {
                return Ok(end);
            }
        }
    }

    fn ask_when_due(&mut self) {
        let now = Instant::now();
        if !self.is_asking && self.due <= now {
            self.is_asking = self.questions.send(self.model.selected()).is_ok();
            self.due = now + PERIOD;
        }
    }

    fn take(&mut self, input: Input) -> io::Result<()> {
        let event = match input {
            Input::Event(event) => event,
            Input::Told(event) => {
                self.is_asking = false;
                event
            }
            Input::Logged => Event::Logged(self.following.as_ref().map(Following::take).unwrap_or_default()),
            Input::Ended(signal) => {
                self.end = Some(End::Signal(signal));
                return Ok(());
            }
            Input::NoKeys(error) => return Err(error),
        };
        for effect in self.model.update(event) {
            match effect {
                Effect::Ask => self.due = Instant::now(),
                Effect::Follow(sources) => {
                    self.following = (!sources.is_empty()).then(|| Following::start(sources, &self.inputs));
                }
                Effect::Act(order) => daemon::act(self.home.clone(), order, self.inputs.clone()),
                Effect::Repaint => self.screen.forget()?,
                Effect::Quit => self.end = Some(End::Quit),
            }
        }
        Ok(())
    }
}

/// Signals that end a program come as inputs from now on, to this thread and those that it starts.
fn pass_signals_on(inputs: &Sender<Input>) -> nix::Result<SigSet> {
    let signals: SigSet =
        [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM].into_iter().collect();
    signals.thread_block()?;
    let inputs = inputs.clone();
    thread::spawn(move || {
        if let Ok(signal) = signals.wait() {
            let _ = inputs.send(Input::Ended(signal));
        }
    });
    Ok(signals)
}

/// What is typed comes as inputs from now on.
fn pass_keys_on(inputs: Sender<Input>) {
    thread::spawn(move || {
        loop {
            let input = match event::read() {
                Ok(event::Event::Key(key)) => match keys::key(key) {
                    Some(key) => Input::Event(Event::Key(key)),
                    None => continue,
                },
                Ok(event::Event::Resize(width, height)) => {
                    Input::Event(Event::Resized(Rect::new(0, 0, width, height)))
                }
                Ok(_) => continue,
                Err(error) => {
                    let _ = inputs.send(Input::NoKeys(error));
                    return;
                }
            };
            if inputs.send(input).is_err() {
                return;
            }
        }
    });
}
