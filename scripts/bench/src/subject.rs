//! Whatever is measured: a process manager, and the floor below all of them.

use std::time::Duration;

use serde::Serialize;

use crate::failure::Outcome;

/// The columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The system calls alone.
    Floor,
    Rpm,
    Pm2,
}

impl Kind {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 3] = [Self::Floor, Self::Rpm, Self::Pm2];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Rpm => "rpm",
            Self::Pm2 => "pm2",
        }
    }
}

/// One that runs a fixed number of long sleeps and does with them what it is told.
///
/// A method that gives a duration times what its name says, from the call of a command to its end, and nothing
/// else; it checks outside of that time that the thing was really done. All processes that it started are gone when
/// it is dropped.
pub(crate) trait Subject {
    fn kind(&self) -> Kind;

    /// Brings up a daemon that has nothing to do. `None` where there is no daemon.
    fn boot(&mut self) -> Outcome<Option<Duration>>;

    /// Starts all sleeps.
    fn start(&mut self) -> Outcome<Duration>;

    /// Lists them to `/dev/null`; the floor is an empty process.
    fn list(&mut self) -> Outcome<Duration>;

    /// Ends all sleeps and starts them again.
    fn restart(&mut self) -> Outcome<Duration>;

    /// Ends all sleeps.
    fn stop(&mut self) -> Outcome<Duration>;

    /// Kills the sleep of this index. The time is from the signal to the moment when the pid of its successor is
    /// known.
    fn crash(&mut self, index: usize) -> Outcome<Duration>;

    /// Begins to stop a further app, one that takes its time. False where nothing could be held up by that.
    fn begin_slow_stop(&mut self) -> Outcome<bool> {
        Ok(false)
    }

    /// Waits for the end of the slow stop; fails if it was over before.
    fn end_slow_stop(&mut self) -> Outcome<()> {
        Ok(())
    }

    /// Runs the log writer; bytes in a second, as the writer sees it.
    fn write_log(&mut self) -> Outcome<f64>;

    /// The pid of its daemon, if it has one.
    fn daemon(&self) -> Outcome<Option<i32>>;

    /// Ends everything in the regular way, and fails if that leaves something behind.
    fn end(&mut self) -> Outcome<()>;
}
