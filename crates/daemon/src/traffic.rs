//! Requests that change something, while the daemon may be about to be replaced.
//!
//! Before it hands over, the daemon lets those finish that have begun, and holds up those that come meanwhile. At last
//! their clients are sent away to ask the next image.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, watch};

/// What happens to a request that comes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// It waits.
    Closed,
    /// Its client is sent away.
    Dismissing,
}

/// The requests of one daemon.
#[derive(Debug)]
pub(crate) struct Traffic {
    gate: watch::Sender<Gate>,
    /// Requests that have begun, and whose answers are not written yet.
    under_way: AtomicUsize,
    /// Connections without a request, requests that wait, and clients that are being sent away.
    held_up: AtomicUsize,
    changed: Notify,
}

/// A request that is counted for as long as this is there.
pub(crate) struct Counted {
    traffic: Arc<Traffic>,
    counter: fn(&Traffic) -> &AtomicUsize,
}

/// Whether a request may begin. In either case it is counted until its answer is written.
pub(crate) enum Entry {
    Admitted(Counted),
    Dismissed(Counted),
}

impl Traffic {
    /// The gate is open.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: watch::Sender::new(Gate::Open),
            under_way: AtomicUsize::new(0),
            held_up: AtomicUsize::new(0),
            changed: Notify::new(),
        })
    }

    /// Waits until the gate is open, or the client is to be sent away.
    pub(crate) async fn enter(self: &Arc<Self>) -> Entry {
        if *self.gate.borrow() == Gate::Open {
            return Entry::Admitted(self.count(|traffic| &traffic.under_way));
        }
        let held_up = self.count(|traffic| &traffic.held_up);
        let gate = self.gate.subscribe().wait_for(|gate| *gate != Gate::Closed).await.map(|gate| *gate);
        match gate {
            Ok(Gate::Open) => Entry::Admitted(self.count(|traffic| &traffic.under_way)),
            _ => Entry::Dismissed(held_up),
        }
    }

    /// Counts a connection that has no request under way: its client has to learn that none will be read.
    pub(crate) fn listen(self: &Arc<Self>) -> Counted {
        self.count(|traffic| &traffic.held_up)
    }

    /// Comes when clients are sent away.
    pub(crate) async fn dismisses(&self) {
        // The sender lives as long as this.
        let _ = self.gate.subscribe().wait_for(|gate| *gate == Gate::Dismissing).await;
    }

    /// Further requests wait.
    pub(crate) fn close(&self) {
        self.gate.send_replace(Gate::Closed);
    }

    /// Requests that wait begin.
    pub(crate) fn open(&self) {
        self.gate.send_replace(Gate::Open);
    }

    /// Sends away all clients whose requests have not begun, once the others are done. True when none is left.
    pub(crate) fn is_cleared(&self) -> bool {
        if self.under_way.load(Ordering::Relaxed) > 0 {
            return false;
        }
        self.gate.send_replace(Gate::Dismissing);
        self.held_up.load(Ordering::Relaxed) == 0
    }

    /// Comes when a request has ended.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn count(self: &Arc<Self>, counter: fn(&Self) -> &AtomicUsize) -> Counted {
        counter(self).fetch_add(1, Ordering::Relaxed);
        Counted { traffic: Arc::clone(self), counter }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.counter)(&self.traffic).fetch_sub(1, Ordering::Relaxed);
        self.traffic.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_begun_ends_and_what_comes_is_sent_away() {
        let traffic = Traffic::new();
        let Entry::Admitted(first) = traffic.enter().await else { panic!("the gate is open") };
        traffic.close();
        let second = tokio::spawn({
            let traffic = Arc::clone(&traffic);
            async move { matches!(traffic.enter().await, Entry::Dismissed(_)) }
        });
        tokio::task::yield_now().await;
        assert!(!traffic.is_cleared());
        drop(first);
        traffic.changed().await;
        assert!(!traffic.is_cleared(), "the second is being sent away");
        assert!(second.await.unwrap());
        assert!(traffic.is_cleared());
        traffic.open();
        assert!(matches!(traffic.enter().await, Entry::Admitted(_)));
    }
}
