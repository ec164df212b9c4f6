//! The terminal: taken over at the beginning, and given back however it ends.

use std::{
    io::{self, BufWriter, Stdout},
    panic,
};

use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
    layout::Rect,
};

/// The whole terminal. Dropping it gives it back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn open() -> io::Result<Self> {
        // A panic ends the program without dropping anything, and its message belongs on the usual screen.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            hook(info);
        }));
        // One write for each drawing, over whatever line it goes.
        let output = BufWriter::with_capacity(64 << 10, io::stdout());
        let terminal = Terminal::new(CrosstermBackend::new(output))?;
        enable_raw_mode()?;
        let screen = Self { terminal };
        execute!(io::stdout(), EnterAlternateScreen)?;
        Ok(screen)
    }

    /// Draws; what has not changed is not written again.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame)) -> io::Result<()> {
        self.terminal.draw(render).map(drop)
    }

    /// How large it is.
    pub(super) fn area(&self) -> io::Result<Rect> {
        Ok(Rect::from(self.terminal.size()?))
    }

    /// Makes the next drawing write everything.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        let area = self.area()?;
        self.terminal.resize(area)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back as it was. A terminal that has gone needs nothing.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
}
