//! Ticks, time limits and tries of tasks.

use super::*;
use rpm_core::{Millis, Overlap};

fn task(change: impl FnOnce(&mut AppSpec)) -> World {
    World::new(|app| {
        app.autorestart = false;
        change(app);
    })
}

fn tick(due: i64) -> Event {
    Event::Tick(Why::tick(due))
}

/// What is told of the last run that is over.
fn last(world: &World) -> (Option<Exit>, Next, Option<Cause>) {
    let ended = world.ended.last().expect("a run is over");
    (ended.exit, ended.next, ended.asked_by)
}

#[test]
fn a_tick_that_is_skipped_leaves_a_run_alone() {
    let mut world = task(|app| app.cron_overlap = Overlap::Skip);
    world.event(tick(1)).after(10).event(tick(2));
    assert_eq!((world.status(), world.signals.len()), (Status::Online, 0));
    world.exits(Exit::Code(0));
    assert_eq!((world.status(), world.ended.len()), (Status::Stopped, 1));
    world.event(tick(3));
    assert_eq!(world.life.why, Why::tick(3));
}

#[test]
fn ticks_that_are_queued_are_one_run_afterwards() {
    let mut world = task(|app| app.cron_overlap = Overlap::Queue);
    world.event(tick(1)).after(10).event(tick(2)).event(tick(3));
    assert_eq!((world.signals.len(), world.life.owed), (0, Some(2)));
    world.exits(Exit::Code(1));
    assert_eq!((world.status(), world.life.why), (Status::Online, Why::tick(2)));
    world.exits(Exit::Code(0));
    assert_eq!((world.status(), world.ended.len()), (Status::Stopped, 2));
    // A stop that somebody asks for takes back what is owed.
    world.event(tick(4)).event(tick(5)).event(Event::Stop).exits(Exit::Signal(2));
    assert_eq!((world.status(), world.life.owed), (Status::Stopped, None));
}

#[test]
fn a_run_that_lasts_too_long_is_stopped_and_has_failed() {
    let mut world = task(|app| app.task_timeout = Some(Millis(5_000)));
    world.event(Event::Start(Cause::User.into())).after(4_999);
    assert_eq!(world.status(), Status::Online);
    world.after(1);
    assert_eq!((world.status(), &world.signals[..]), (Status::Stopping, &[Signal::INT][..]));
    world.after(1_600).exits(Exit::Signal(9));
    assert_eq!(world.signals, [Signal::INT, Signal::KILL]);
    assert_eq!(world.status(), Status::Errored);
    assert_eq!(last(&world), (Some(Exit::Signal(9)), Next::Errored, Some(Cause::Timeout)));
    assert!(world.life.error.as_deref().unwrap().contains("5000 ms (task_timeout)"));
    // The next tick begins anew, and whoever ends in time rests.
    world.event(tick(9)).after(4_000).exits(Exit::Code(0));
    assert_eq!((world.status(), world.armed, world.life.error.as_deref()), (Status::Stopped, None, None));
}

#[test]
fn the_limit_holds_while_it_gets_ready_and_after_a_stop_it_does_not() {
    let mut world = task(|app| {
        app.task_timeout = Some(Millis(500));
        app.wait_ready = true;
    });
    world.event(Event::Start(Cause::User.into())).after(500);
    assert_eq!(world.status(), Status::Stopping);
    // Somebody wants it stopped: it is no failure then.
    world.event(Event::Stop).exits(Exit::Signal(2));
    assert_eq!((world.status(), last(&world).1), (Status::Stopped, Next::Stopped));
    world.event(Event::Start(Cause::User.into())).after(500).event(Event::Restart(Cause::Restart.into()));
    world.exits(Exit::Signal(2));
    assert_eq!((world.status(), last(&world).1), (Status::Launching, Next::Restarted));
}

#[test]
fn a_task_that_fails_is_tried_again_after_pauses_that_double() {
    let mut world = task(|app| {
        app.retries = 3;
        app.retry_delay = Some(Millis(100));
    });
    world.event(tick(42));
    for (pause, exit) in [(100, Exit::Code(3)), (200, Exit::Signal(11)), (400, Exit::Unknown)] {
        world.after(10).exits(exit);
        assert_eq!(
            (world.status(), last(&world)),
            (Status::WaitingRestart, (Some(exit), Next::Retried, None))
        );
        world.after(pause - 1);
        assert_eq!(world.status(), Status::WaitingRestart);
        world.after(1);
        assert_eq!(world.status(), Status::Online);
        assert_eq!(world.life.why, Why { cause: Cause::Retry, due: Some(42) });
    }
    world.after(10).exits(Exit::Code(4));
    assert_eq!((world.status(), last(&world).1), (Status::Errored, Next::Errored));
    assert_eq!(world.life.error.as_deref(), Some("4 tries failed, the last with code 4"));
    // The next tick begins anew, and success ends it.
    world.event(tick(43)).after(10).exits(Exit::Code(1)).after(100).exits(Exit::Code(0));
    assert_eq!((world.status(), last(&world).1), (Status::Stopped, Next::Rests));
}

#[test]
fn a_limit_that_is_passed_is_tried_again_too_and_a_tick_goes_before_another_try() {
    let mut world = task(|app| {
        app.retries = 1;
        app.retry_delay = Some(Millis(100));
        app.task_timeout = Some(Millis(1_000));
        app.cron_overlap = Overlap::Queue;
    });
    world.event(tick(1)).after(1_000).exits(Exit::Signal(2));
    assert_eq!((world.status(), last(&world).2), (Status::WaitingRestart, Some(Cause::Timeout)));
    world.event(tick(2));
    assert_eq!((world.status(), world.life.attempts, world.life.why), (Status::Online, 0, Why::tick(2)));
    world.after(1_000).event(tick(3)).exits(Exit::Signal(2));
    assert_eq!((world.status(), world.life.why), (Status::Online, Why::tick(3)));
    assert_eq!(last(&world), (Some(Exit::Signal(2)), Next::Rests, Some(Cause::Timeout)));
}

#[test]
fn what_is_no_failure_is_not_tried_again() {
    let mut world = task(|app| {
        app.retries = 3;
        app.stop_exit_codes = vec![7];
    });
    for (exit, next) in [(Exit::Code(0), Next::Rests), (Exit::Code(7), Next::StopExitCode)] {
        world.event(Event::Start(Cause::User.into())).after(10).exits(exit);
        assert_eq!((world.status(), last(&world).1), (Status::Stopped, next));
    }
    world.event(Event::Start(Cause::User.into())).event(Event::Stop).exits(Exit::Signal(2));
    assert_eq!(world.status(), Status::Stopped);
    // A pause can be ended by hand.
    world.event(Event::Start(Cause::User.into())).exits(Exit::Code(1)).event(Event::Stop);
    assert_eq!((world.status(), world.armed), (Status::Stopped, None));
    // Without tries a task that fails rests, as in PM2.
    let mut world = task(|_| {});
    world.event(tick(1)).exits(Exit::Code(1));
    assert_eq!((world.status(), last(&world).1), (Status::Stopped, Next::Rests));
}

#[test]
fn another_try_needs_a_place_and_waits_for_it() {
    let mut world = task(|app| app.retries = 1);
    world.policy.gates = vec![Gate::Place];
    world.event(Event::Start(Cause::User.into())).exits(Exit::Code(1));
    world.open = false;
    world.after(1_000);
    assert_eq!((world.status(), world.life.why.cause), (Status::Queued, Cause::Retry));
    world.opens().exits(Exit::Code(1));
    assert_eq!(world.status(), Status::Errored);
}

proptest! {
    /// Whatever a task does and whenever its schedule fires: a run ends within its limit, no more tries are made than
    /// declared, and once nothing happens any more it comes to rest.
    #[test]
    fn limits_and_tries_hold(
        timeout in 100u64..3_000,
        retries in 0u32..4,
        delay in 1u64..2_000,
        overlap in prop::sample::select(vec![Overlap::Restart, Overlap::Skip, Overlap::Queue]),
        events in prop::collection::vec((0u8..6, 1u64..800), 1..80),
    ) {
        let mut world = task(|app| {
            app.task_timeout = Some(Millis(timeout));
            app.retries = retries;
            app.retry_delay = Some(Millis(delay));
            app.cron_overlap = overlap;
        });
        let ends_what_is_asked = |world: &mut World| {
            if world.status() == Status::Stopping {
                world.exits(Exit::Signal(2));
            }
        };
        world.event(tick(0));
        let mut due = 0;
        for (what, pause) in events {
            // The clock goes on in steps that skip no deadline.
            for _ in 0..pause {
                world.after(1);
                ends_what_is_asked(&mut world);
                if let Some(run) = world.life.run() {
                    prop_assert!(world.now.mono - run.started.mono < timeout);
                }
            }
            match what {
                0 => {
                    due += 1;
                    let (pid, status) = (world.child, world.status());
                    world.event(tick(due));
                    let goes_on = overlap != Overlap::Restart && status == Status::Online;
                    prop_assert!(!goes_on || (world.child == pid && world.status() == Status::Online));
                }
                1 if world.child.is_some() => { world.exits(Exit::Code(0)); }
                2 | 3 if world.child.is_some() => { world.exits(Exit::Code(1)); }
                _ => {}
            }
            ends_what_is_asked(&mut world);
            prop_assert!(world.life.attempts <= retries);
        }
        for _ in 0..100_000 {
            if world.armed.is_none() {
                break;
            }
            world.after(1);
            ends_what_is_asked(&mut world);
        }
        prop_assert!(matches!(world.status(), Status::Stopped | Status::Errored), "{:?}", world.life);
    }
}
