//! Signals as messages.

use std::{fs, sync::mpsc::Sender, thread};

use nix::sys::signal::{SigSet, Signal};

use crate::logs::watch::Wake;

/// Signals that are held back, to be taken in by a thread.
pub(super) struct Signals(SigSet);

impl Signals {
    /// Holds back those that mean something in the foreground, for this thread and all that it starts.
    pub(super) fn hold() -> nix::Result<Self> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT, Signal::SIGUSR2, Signal::SIGCHLD] {
            signals.add(signal);
        }
        // Whoever calls through `nohup` wants us to stay when the terminal goes.
        if !is_ignored(Signal::SIGHUP) {
            signals.add(Signal::SIGHUP);
        }
        signals.thread_block()?;
        Ok(Self(signals))
    }

    /// Sends each to `wakes` from now on.
    pub(super) fn tell(self, wakes: Sender<Wake>) {
        thread::spawn(move || {
            while let Ok(signal) = self.0.wait() {
                let wake = if signal == Signal::SIGCHLD { Wake::Child } else { Wake::Signal(signal) };
                if wakes.send(wake).is_err() {
                    return;
                }
            }
        });
    }
}

/// Whether this process was started so that it does not get this signal.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as i32 - 1) & 1 == 1
}
