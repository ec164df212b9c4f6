//! What keys mean.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rpm_core::protocol::Action;

use super::list::Step;

/// A key, as far as one means anything here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Tab,
    BackTab,
    Enter,
    Escape,
    Backspace,
    Delete,
    /// Ctrl-U: takes back what was typed.
    Erase,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-L.
    Repaint,
}

/// A command to the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Quit,
    /// Out of what was opened last, in the end out of all.
    Back,
    Go(Step),
    NextPane,
    PreviousPane,
    /// The pane takes all the room, or gives it back.
    Zoom,
    Filter,
    /// The next order of the list.
    Order,
    Act(Action),
    Delete,
    Help,
}

/// The keys, for the help: what is pressed, and what it does.
pub(super) const HELP: &[(&str, &str)] = &[
    ("↑ ↓ k j", "up, down"),
    ("PgUp PgDn", "a page"),
    ("Home End g G", "first, last"),
    ("← → h l Tab", "next pane"),
    ("Enter z", "zoom the pane"),
    ("/", "filter; Esc clears"),
    ("o", "next order"),
    ("r", "restart"),
    ("R", "reload"),
    ("s S", "stop, start"),
    ("d D Del", "delete, after a yes"),
    ("Ctrl-L", "draw anew"),
    ("q Esc Ctrl-C", "quit"),
];

/// The key of an event of the terminal.
pub(super) fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return match event.code {
            KeyCode::Char('c') => Some(Key::Interrupt),
            KeyCode::Char('l') => Some(Key::Repaint),
            KeyCode::Char('u') => Some(Key::Erase),
            // What some terminals send for Backspace.
            KeyCode::Char('h') => Some(Key::Backspace),
            KeyCode::Char('f') => Some(Key::PageDown),
            KeyCode::Char('b') => Some(Key::PageUp),
            _ => None,
        };
    }
    // Alt with a letter is not the letter.
    if event.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    Some(match event.code {
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::F(1) => Key::Char('?'),
        _ => return None,
    })
}

/// What a key does while nothing else is asked.
pub(super) fn command(key: Key) -> Option<Command> {
    use Command::*;
    Some(match key {
        Key::Char('q') => Quit,
        Key::Escape => Back,
        Key::Up | Key::Char('k') => Go(Step::Up),
        Key::Down | Key::Char('j') => Go(Step::Down),
        Key::PageUp => Go(Step::PageUp),
        Key::PageDown | Key::Char(' ') => Go(Step::PageDown),
        Key::Home | Key::Char('g') => Go(Step::First),
        Key::End | Key::Char('G') => Go(Step::Last),
        Key::Right | Key::Tab | Key::Char('l') => NextPane,
        Key::Left | Key::BackTab | Key::Char('h') => PreviousPane,
        Key::Enter | Key::Char('z') => Zoom,
        Key::Char('/') => Filter,
        Key::Char('o') => Order,
        Key::Char('r') => Act(Action::Restart),
        Key::Char('R') => Act(Action::Reload),
        Key::Char('s') => Act(Action::Stop),
        Key::Char('S') => Act(Action::Start),
        Key::Char('d' | 'D') | Key::Delete => Delete,
        Key::Char('?') => Help,
        _ => return None,
    })
}
