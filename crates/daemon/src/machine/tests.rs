mod every;
mod schedules;
mod world;

use proptest::prelude::*;
use rpm_core::Millis;

use self::world::World;
use super::*;

#[test]
fn each_run_knows_why_it_was_started_and_what_follows() {
    let mut world = World::new(|_| {});
    world.event(Event::Start(Cause::User.into()));
    assert_eq!(world.cause(), Some(Cause::User));
    world.after(5_000).exits(Exit::Code(1));
    assert_eq!((world.story(), world.cause()), ((Cause::User, Next::AtOnce), Some(Cause::Autorestart)));
    world.event(Event::Tick(Why::tick(7))).exits(Exit::Signal(2));
    assert_eq!(world.story(), (Cause::Autorestart, Next::Restarted));
    assert_eq!(world.ended.last().unwrap().asked_by, Some(Cause::Cron));
    assert_eq!(world.life.run().unwrap().why, Why::tick(7));
    world.event(Event::Restart(Cause::Memory.into())).event(Event::Stop).exits(Exit::Signal(2));
    assert_eq!(world.story(), (Cause::Cron, Next::Stopped), "a stop wins");
    world.event(Event::Start(Cause::Dependency.into())).event(Event::Delete).exits(Exit::Code(0));
    assert_eq!(world.story(), (Cause::Dependency, Next::Deleted));
    assert_eq!(world.ended.len(), 4);
}

#[test]
fn the_rule_that_restarted_it_is_told() {
    let mut fixed = World::new(|app| app.restart_delay = Some(Millis(100)));
    fixed.event(Event::Start(Cause::User.into())).exits(Exit::Code(1));
    assert_eq!((fixed.story().1, fixed.cause()), (Next::Delayed, None));
    fixed.after(100);
    assert_eq!(fixed.cause(), Some(Cause::RestartDelay));
    let mut growing = World::new(|app| app.exp_backoff_restart_delay = Some(Millis(100)));
    growing.event(Event::Start(Cause::User.into())).exits(Exit::Code(1)).after(100);
    assert_eq!((growing.story().1, growing.cause()), (Next::BackedOff, Some(Cause::Backoff)));
    // Somebody who cannot wait.
    growing.exits(Exit::Code(1)).event(Event::Start(Cause::User.into()));
    assert_eq!(growing.cause(), Some(Cause::User));
    let mut task = World::new(|app| app.autorestart = false);
    task.event(Event::Start(Cause::User.into())).exits(Exit::Code(0));
    assert_eq!(task.story().1, Next::Rests);
    let mut content = World::new(|app| app.stop_exit_codes = vec![7]);
    content.event(Event::Start(Cause::User.into())).exits(Exit::Code(7));
    assert_eq!(content.story().1, Next::StopExitCode);
    let mut hopeless = World::new(|app| app.max_restarts = Some(1));
    hopeless.event(Event::Start(Cause::User.into())).exits(Exit::Code(7));
    assert_eq!(hopeless.story().1, Next::Errored);
}

#[test]
fn a_run_of_a_reload_is_one_and_the_old_one_keeps_its_cause() {
    let mut world = worker();
    world.event(Event::Reload(Cause::Memory.into())).reaches(Stage::Listening);
    assert_eq!(world.cause(), Some(Cause::Memory));
    world.retires();
    world.event(Event::Reload(Cause::Reload.into())).second_exits(Exit::Code(3));
    assert_eq!((world.story(), world.cause()), ((Cause::Reload, Next::RolledBack), Some(Cause::Memory)));
    world.event(Event::Reload(Cause::Watch.into())).exits(Exit::Signal(11));
    assert_eq!((world.story(), world.cause()), ((Cause::Memory, Next::Replaced), Some(Cause::Watch)));
}

#[test]
fn a_life_of_an_earlier_version_has_causes_that_nobody_knows() {
    let mut world = worker();
    world.event(Event::Restart(Cause::User.into()));
    let mut old = serde_json::to_value(&world.life).unwrap();
    old.as_object_mut().unwrap().remove("why");
    let stopping = old["phase"]["stopping"].as_object_mut().unwrap();
    stopping["run"].as_object_mut().unwrap().remove("why");
    stopping["then"]["start"].as_object_mut().unwrap().remove("why");
    let life: Life = serde_json::from_value(old).unwrap();
    assert_eq!(life.run().unwrap().why, Why::default());
}

#[test]
fn a_crash_is_followed_by_a_restart() {
    let mut world = World::new(|_| {});
    world.event(Event::Start(Cause::User.into())).after(5_000).exits(Exit::Code(1));
    assert_eq!(world.status(), Status::Online);
    assert_eq!((world.life.restart_time, world.life.unstable_restarts), (1, 0));
}

#[test]
fn sixteen_quick_crashes_end_in_errored() {
    let mut world = World::new(|_| {});
    world.event(Event::Start(Cause::User.into()));
    for _ in 0..15 {
        world.after(10).exits(Exit::Code(1));
        assert_eq!(world.status(), Status::Online);
    }
    world.after(10).exits(Exit::Code(1));
    assert_eq!(world.status(), Status::Errored);
    assert_eq!(world.life.restart_time, 15);
    assert!(world.life.error.as_deref().unwrap().contains("code 1"));
}

#[test]
fn a_crash_loop_ends_however_long_after_the_first_start() {
    let mut world = World::new(|_| {});
    world.event(Event::Start(Cause::User.into())).after(100_000_000).exits(Exit::Signal(11));
    for _ in 0..16 {
        assert_eq!(world.status(), Status::Online);
        world.after(10).exits(Exit::Signal(11));
    }
    assert_eq!(world.status(), Status::Errored);
}

#[test]
fn a_declared_limit_holds_with_pauses_too() {
    let mut world = World::new(|app| {
        app.max_restarts = Some(3);
        app.restart_delay = Some(Millis(60_000));
    });
    world.event(Event::Start(Cause::User.into()));
    for _ in 0..2 {
        world.exits(Exit::Code(1));
        assert_eq!(world.status(), Status::WaitingRestart);
        world.after(60_000);
        assert_eq!(world.status(), Status::Online);
    }
    world.exits(Exit::Code(1));
    assert_eq!((world.status(), world.life.restart_time), (Status::Errored, 2));
}

#[test]
fn pauses_grow_by_half_up_to_fifteen_seconds() {
    let mut world = World::new(|app| app.exp_backoff_restart_delay = Some(Millis(100)));
    world.event(Event::Start(Cause::User.into()));
    let mut pauses = vec![];
    for _ in 0..20 {
        world.exits(Exit::Code(1));
        pauses.push(world.life.prev_delay);
        world.after(world.life.prev_delay);
    }
    assert_eq!(pauses[..10], [100, 150, 225, 337, 505, 757, 1135, 1702, 2553, 3829]);
    assert_eq!(pauses[19], 15_000);
    world.after(30_001).exits(Exit::Code(1));
    assert_eq!(world.life.prev_delay, 100);
}

#[test]
fn a_task_rests_when_it_is_done_and_runs_again_at_each_tick() {
    let mut world = World::new(|app| app.autorestart = false);
    world.event(Event::Start(Cause::User.into())).after(10).exits(Exit::Code(0));
    assert_eq!(world.status(), Status::Stopped);
    world.event(Event::Tick(Why::tick(7)));
    assert_eq!((world.status(), world.life.restart_time), (Status::Online, 0));
}

#[test]
fn a_tick_restarts_what_runs_and_what_failed() {
    let mut world = World::new(|_| {});
    world.event(Event::Start(Cause::User.into())).event(Event::Tick(Why::tick(7)));
    assert_eq!(world.status(), Status::Stopping);
    world.event(Event::Tick(Why::tick(7))).exits(Exit::Signal(2));
    assert_eq!((world.status(), world.life.restart_time), (Status::Online, 1));
    for _ in 0..16 {
        world.exits(Exit::Code(1));
    }
    assert_eq!(world.status(), Status::Errored);
    world.event(Event::Tick(Why::tick(7)));
    assert_eq!(world.status(), Status::Online);
}

#[test]
fn chosen_exit_codes_stop_and_a_signal_is_no_code() {
    let mut world = World::new(|app| app.stop_exit_codes = vec![0, 3]);
    world.event(Event::Start(Cause::User.into())).exits(Exit::Signal(9));
    assert_eq!(world.status(), Status::Online);
    world.exits(Exit::Code(3));
    assert_eq!(world.status(), Status::Stopped);
}

#[test]
fn a_stop_escalates_to_sigkill() {
    let mut world = World::new(|_| {});
    world.event(Event::Start(Cause::User.into())).event(Event::Stop).after(1_599);
    assert_eq!(world.signals, [Signal::INT]);
    world.after(1);
    assert_eq!(world.signals, [Signal::INT, Signal::KILL]);
    let settled = world.settled;
    world.exits(Exit::Signal(9));
    assert_eq!((world.status(), world.settled, world.armed), (Status::Stopped, settled + 1, None));
    assert_eq!(world.life.error, None);
}

#[test]
fn a_child_that_cannot_be_killed_is_told_and_never_doubled() {
    let mut world = World::new(|_| {});
    world.event(Event::Start(Cause::User.into())).event(Event::Restart(Cause::Restart.into())).after(1_600);
    let settled = world.settled;
    world.after(1_600);
    assert_eq!((world.status(), world.settled), (Status::Stopping, settled + 1));
    assert!(world.life.error.is_some());
    world.exits(Exit::Signal(9));
    assert_eq!((world.status(), world.life.error.clone()), (Status::Online, None));
}

#[test]
fn the_last_word_wins_but_a_delete_is_final() {
    let mut world = World::new(|_| {});
    world
        .event(Event::Start(Cause::User.into()))
        .event(Event::Stop)
        .event(Event::Start(Cause::User.into()))
        .exits(Exit::Signal(2));
    assert_eq!(world.status(), Status::Online);
    world.event(Event::Restart(Cause::Restart.into())).event(Event::Stop).exits(Exit::Signal(2));
    assert_eq!(world.status(), Status::Stopped);
    world
        .event(Event::Start(Cause::User.into()))
        .event(Event::Delete)
        .event(Event::Restart(Cause::Restart.into()))
        .event(Event::Stop);
    world.exits(Exit::Signal(2));
    assert!(world.forgotten);
}

#[test]
fn a_start_during_the_pause_is_a_start_now() {
    let mut world = World::new(|app| app.restart_delay = Some(Millis(5_000)));
    world
        .event(Event::Start(Cause::User.into()))
        .exits(Exit::Code(1))
        .event(Event::Start(Cause::User.into()));
    assert_eq!((world.status(), world.armed), (Status::Online, None));
}

#[test]
fn what_cannot_be_spawned_is_errored_with_the_reason() {
    let mut world = World::new(|_| {});
    let effects = world.life.step(&world.policy, Event::Start(Cause::User.into()), world.now);
    assert_eq!(effects, [Effect::Disarm, Effect::Spawn]);
    world.event(Event::SpawnFailed { reason: "no node".to_owned(), is_shortage: false });
    assert_eq!(world.status(), Status::Errored);
    assert_eq!(world.life.error.as_deref(), Some("no node"));
    assert_eq!((world.story(), world.ended[0].run), ((Cause::User, Next::Errored), None));
    assert_eq!(world.settled, 1);
}

#[test]
fn what_the_system_has_no_means_for_is_tried_again_until_it_has() {
    let mut world = World::new(|_| {});
    world.is_short = true;
    world.event(Event::Start(Cause::User.into()));
    for _ in 0..3 {
        assert_eq!((world.status(), world.child), (Status::Launching, None));
        world.after(SHORTAGE_PAUSE);
    }
    assert!(world.settled > 0, "who asked is told");
    assert!(world.life.error.as_deref().unwrap().contains("too many"));
    world.is_short = false;
    world.after(SHORTAGE_PAUSE);
    assert_eq!((world.status(), world.life.restart_time, &world.life.error), (Status::Online, 0, &None));
    // A restart by hand does not wait, and a stop ends it.
    world.is_short = true;
    world.exits(Exit::Code(1));
    world.event(Event::Stop);
    assert_eq!((world.status(), world.armed), (Status::Stopped, None));
    world.event(Event::Start(Cause::User.into()));
    world.is_short = false;
    world.event(Event::Restart(Cause::Restart.into()));
    assert_eq!((world.status(), world.armed), (Status::Online, None));
}

/// What is under way when the daemon dies, and what the next one does that begins with the same state.
#[test]
fn what_was_under_way_is_gone_on_with() {
    let resumed = |mut world: World, then: Event| {
        world.armed = None;
        let (phase, signals) = (world.life.phase.clone(), world.signals.len());
        let restarts = world.life.restart_time;
        world.event(Event::Resume);
        assert_eq!(world.life.phase, phase, "{then:?}");
        assert_eq!((world.signals.len(), world.armed.is_some()), (signals + 1, true), "{then:?}");
        world.exits(Exit::Signal(2));
        (world.status(), world.life.restart_time - restarts, world.forgotten)
    };
    for (event, end) in [
        (Event::Stop, (Status::Stopped, 0, false)),
        (Event::Restart(Cause::Restart.into()), (Status::Online, 1, false)),
        (Event::Delete, (Status::Stopped, 0, true)),
    ] {
        let mut world = World::new(|_| {});
        world.event(Event::Start(Cause::User.into())).event(event.clone());
        assert_eq!(resumed(world, event), end);
    }
    // A start that was to be the end of a stop is no restart that counts.
    let mut world = World::new(|_| {});
    world.event(Event::Start(Cause::User.into())).event(Event::Stop).event(Event::Start(Cause::User.into()));
    assert_eq!(resumed(world, Event::Start(Cause::User.into())), (Status::Online, 0, false));
    // A spawn that was ordered is done.
    let mut world = World::new(|_| {});
    world.life.step(&world.policy, Event::Start(Cause::User.into()), world.now);
    world.event(Event::Resume);
    assert_eq!(world.status(), Status::Online);
    // Who rests, rests; who runs is left alone.
    for events in [&[Event::Start(Cause::User.into()), Event::Stop][..], &[Event::Start(Cause::User.into())]]
    {
        let mut world = World::new(|_| {});
        for event in events {
            world.event(event.clone());
            if *event == Event::Stop {
                world.exits(Exit::Signal(2));
            }
        }
        let before = world.life.clone();
        world.event(Event::Resume);
        assert_eq!(world.life, before);
    }
}

#[test]
fn a_child_that_was_stopped_before_it_was_spawned_is_not_left_alone() {
    let mut world = World::new(|_| {});
    world.life.step(&world.policy, Event::Start(Cause::User.into()), world.now);
    world.event(Event::Stop);
    world.child = Some(7);
    world.event(Event::Spawned { pid: 7 });
    assert_eq!((world.status(), world.signals.len()), (Status::Stopping, 1));
}

/// An event, or `None` for the end of the child.
fn slow_starter() -> World {
    World::new(|app| {
        app.wait_ready = true;
        app.listen_timeout = Some(Millis(500));
    })
}

#[test]
fn one_that_announces_itself_is_up_when_it_has() {
    let mut world = slow_starter();
    world.event(Event::Start(Cause::User.into()));
    assert_eq!((world.status(), world.settled), (Status::Launching, 0));
    // A second start waits with the first.
    world.event(Event::Start(Cause::User.into())).reaches(Stage::Ready).reaches(Stage::Ready);
    assert_eq!((world.status(), world.settled, world.armed), (Status::Online, 1, None));
}

#[test]
fn one_that_does_not_announce_itself_is_taken_to_be_up() {
    let mut world = slow_starter();
    world.event(Event::Start(Cause::User.into())).after(499);
    assert_eq!(world.status(), Status::Launching);
    world.after(1);
    assert_eq!((world.status(), world.settled), (Status::Online, 1));
}

#[test]
fn a_launch_can_be_stopped_restarted_and_can_crash() {
    let mut world = slow_starter();
    world.event(Event::Start(Cause::User.into())).event(Event::Stop);
    assert_eq!(world.status(), Status::Stopping);
    world.reaches(Stage::Ready).exits(Exit::Signal(2));
    assert_eq!(world.status(), Status::Stopped);
    world
        .event(Event::Start(Cause::User.into()))
        .event(Event::Restart(Cause::Restart.into()))
        .exits(Exit::Signal(2));
    assert_eq!((world.status(), world.life.restart_time), (Status::Launching, 1));
    world.exits(Exit::Code(1));
    assert_eq!((world.status(), world.life.restart_time), (Status::Launching, 2));
}

#[test]
fn a_message_can_stand_for_the_signal_but_not_for_sigkill() {
    let mut world = World::new(|app| app.shutdown_with_message = true);
    world.event(Event::Start(Cause::User.into())).event(Event::Stop);
    assert_eq!(world.signals, []);
    world.after(1_600);
    assert_eq!(world.signals, [Signal::KILL]);
}

fn make_worker(app: &mut AppSpec) {
    app.exec_mode = rpm_core::ExecMode::Cluster;
    app.interpreter = rpm_core::Interpreter::Program("node".to_owned());
}

fn worker() -> World {
    let mut world = World::new(make_worker);
    world.event(Event::Start(Cause::User.into())).reaches(Stage::Booted).reaches(Stage::Listening);
    world
}

#[test]
fn a_worker_is_up_when_node_has_started() {
    let mut world = World::new(make_worker);
    world.event(Event::Start(Cause::User.into()));
    assert_eq!(world.status(), Status::Launching);
    world.reaches(Stage::Booted);
    assert_eq!(world.status(), Status::Online);
}

#[test]
fn a_reload_gives_the_old_run_away_when_the_new_one_listens() {
    let mut world = worker();
    let (old, settled) = (world.child.unwrap(), world.settled);
    world.after(500).event(Event::Reload(Cause::Reload.into())).reaches(Stage::Booted);
    assert_eq!((world.child, world.status()), (Some(old), Status::Online));
    world.reaches(Stage::Listening);
    assert_eq!((world.child, world.status()), (Some(old + 1), Status::Online));
    assert_eq!((&*world.retired, world.armed, world.life.restart_time), (&[old][..], None, 1));
    assert_eq!(world.settled, settled, "answered when the old run has ended");
    world.retires();
    assert_eq!((world.settled, &world.life.error), (settled + 1, &None));
}

#[test]
fn a_reload_that_is_not_up_in_time_changes_nothing() {
    let mut world = worker();
    let (old, settled) = (world.child.unwrap(), world.settled);
    world.event(Event::Reload(Cause::Reload.into())).reaches(Stage::Booted).after(3_000);
    assert_eq!((world.child, &*world.retired, world.status()), (Some(old), &[old + 1][..], Status::Online));
    assert_eq!((world.settled, world.life.restart_time), (settled, 0));
    world.retires();
    assert_eq!(world.settled, settled + 1);
    assert!(world.life.error.as_deref().unwrap().contains("listen_timeout"));
    assert_eq!(world.reverted, 1);
    // The next one succeeds, and nothing of the failure is left.
    world.event(Event::Reload(Cause::Reload.into())).reaches(Stage::Listening).retires();
    assert_eq!((world.life.restart_time, &world.life.error, world.reverted), (1, &None, 1));
}

#[test]
fn a_reload_asks_of_the_new_run_what_the_old_one_has_shown() {
    let make = |app: &mut AppSpec| {
        make_worker(app);
        app.wait_ready = true;
    };
    // Never ready, as at a start: taken to be up when its time is over.
    let mut world = World::new(make);
    world.event(Event::Start(Cause::User.into())).reaches(Stage::Listening).after(3_000);
    let old = world.child.unwrap();
    world.event(Event::Reload(Cause::Reload.into())).reaches(Stage::Listening).after(2_999);
    assert_eq!((world.child, world.unready), (Some(old), 0), "it may still say so");
    world.after(1);
    assert_eq!((world.child, world.unready, world.reverted), (Some(old + 1), 1, 0));
    // One that does not even listen as the old one does is none that works.
    world.retires().event(Event::Reload(Cause::Reload.into())).reaches(Stage::Booted).after(3_000);
    assert_eq!((world.child, world.reverted), (Some(old + 1), 1));
    // The old one has said it, or `ready` is declared.
    let mut world = World::new(make);
    world.event(Event::Start(Cause::User.into())).reaches(Stage::Ready);
    let old = world.child;
    world.event(Event::Reload(Cause::Reload.into())).reaches(Stage::Listening).after(3_000);
    assert_eq!((world.child, world.reverted, world.unready), (old, 1, 0));
    let mut world = World::new(|app| {
        make_worker(app);
        app.ready = Some(rpm_core::Ready::Ipc);
    });
    world.event(Event::Start(Cause::User.into())).reaches(Stage::Listening).after(3_000);
    let old = world.child;
    world.event(Event::Reload(Cause::Reload.into())).reaches(Stage::Listening).after(3_000);
    assert_eq!((world.child, world.reverted, world.unready), (old, 1, 0));
}

#[test]
fn a_reload_whose_new_run_ends_or_cannot_start_changes_nothing() {
    let mut world = worker();
    let (old, settled) = (world.child, world.settled);
    world.event(Event::Reload(Cause::Reload.into())).second_exits(Exit::Code(3));
    assert_eq!((world.child, world.status(), world.settled), (old, Status::Online, settled + 1));
    assert!(world.life.error.as_deref().unwrap().contains("code 3"));
    world.life.step(&world.policy, Event::Reload(Cause::Reload.into()), world.now);
    world.event(Event::SpawnFailed { reason: "no node".to_owned(), is_shortage: false });
    assert_eq!((world.child, world.status(), world.settled), (old, Status::Online, settled + 2));
    assert!(world.life.error.as_deref().unwrap().contains("no node"));
    assert_eq!(world.reverted, 2);
}

#[test]
fn the_new_run_of_a_reload_takes_over_from_one_that_dies() {
    let mut world = worker();
    let old = world.child.unwrap();
    world.event(Event::Reload(Cause::Reload.into())).exits(Exit::Signal(11));
    assert_eq!((world.child, world.status()), (Some(old + 1), Status::Launching));
    world.reaches(Stage::Booted);
    assert_eq!((world.status(), world.life.restart_time, world.retired.len()), (Status::Online, 1, 0));
}

#[test]
fn a_worker_that_never_listened_need_not_listen_anew() {
    let mut world = World::new(make_worker);
    world
        .event(Event::Start(Cause::User.into()))
        .reaches(Stage::Booted)
        .event(Event::Reload(Cause::Reload.into()))
        .reaches(Stage::Booted);
    assert_eq!(world.retired.len(), 0, "that Node has started proves nothing of the app");
    world.after(1_000);
    assert_eq!((world.retired.len(), world.life.restart_time), (1, 1));
}

#[test]
fn what_shows_nothing_is_reloaded_when_it_has_lived_a_while() {
    let mut world = World::new(|app| app.reload = Some(rpm_core::Reload::Overlap));
    world.event(Event::Start(Cause::User.into())).event(Event::Reload(Cause::Reload.into())).after(999);
    assert_eq!(world.retired.len(), 0);
    world.after(1);
    assert_eq!(world.retired.len(), 1);
    let mut world = World::new(|_| {});
    world.event(Event::Start(Cause::User.into())).event(Event::Reload(Cause::Reload.into()));
    assert_eq!((world.status(), world.second), (Status::Stopping, None), "a plain restart");
}

#[test]
fn a_stop_a_restart_and_a_delete_win_over_a_reload() {
    for (event, after) in [
        (Event::Stop, Status::Stopped),
        (Event::Restart(Cause::Restart.into()), Status::Launching),
        (Event::Delete, Status::Stopped),
    ] {
        let mut world = worker();
        world.event(Event::Reload(Cause::Reload.into())).event(event.clone());
        assert_eq!((world.status(), world.retired.len()), (Status::Stopping, 1), "{event:?}");
        world.exits(Exit::Signal(2)).retires();
        assert_eq!((world.status(), world.forgotten), (after, event == Event::Delete));
    }
}

#[test]
fn a_worker_that_is_released_finishes_what_it_has() {
    let mut world = worker();
    world.event(Event::Release);
    assert_eq!((world.status(), world.drained, world.signals.len()), (Status::Stopping, 1, 0));
    world.event(Event::Drained);
    assert_eq!(world.signals, [Signal::INT]);
    world.exits(Exit::Code(0));
    assert!(world.forgotten);
    // One that does not finish is asked when its time is over, and one that ends by itself has ended.
    let mut world = worker();
    world.event(Event::Release).after(1_600);
    assert_eq!(world.signals, [Signal::INT]);
    world.after(1_600);
    assert_eq!(world.signals, [Signal::INT, Signal::KILL]);
    let mut world = worker();
    world.event(Event::Release).exits(Exit::Code(0));
    assert!(world.forgotten);
}

/// A task that needs a place, where there is none.
fn queued() -> World {
    let mut world = World::new(|app| app.autorestart = false);
    world.policy.gates = vec![Gate::Place];
    world.open = false;
    world.event(Event::Start(Why::default()));
    assert_eq!((world.status(), world.settled, world.child), (Status::Queued, 1, None));
    world
}

#[test]
fn a_start_that_has_to_wait_is_answered_and_goes_on_when_it_is_let_in() {
    let mut world = queued();
    world.opens();
    assert_eq!(world.status(), Status::Online);
    world.after(10).exits(Exit::Code(0));
    assert_eq!(world.status(), Status::Stopped);
    // Where there is a place, there is no word of a queue.
    world.open = true;
    world.event(Event::Start(Why::default()));
    assert_eq!((world.status(), world.settled), (Status::Online, 4));
}

#[test]
fn what_waits_for_others_is_refused_by_that_gate_alone_and_waits_once() {
    let mut world = World::new(|_| {});
    world.policy.gates = vec![Gate::Dependencies, Gate::Place];
    world.open = false;
    world.event(Event::Start(Why::default()));
    assert_eq!(world.status(), Status::Waiting);
    let refuse = |gate| Event::Refuse { gate, reason: "the other one failed".to_owned() };
    world.event(refuse(Gate::Place)).event(Event::Admit(Gate::Place));
    assert_eq!(world.status(), Status::Waiting, "those are words of another gate");
    world.event(refuse(Gate::Dependencies));
    assert_eq!(
        (world.status(), world.life.error.as_deref()),
        (Status::Errored, Some("the other one failed"))
    );
    world.event(Event::Start(Why::default())).event(Event::Admit(Gate::Dependencies));
    assert_eq!(world.status(), Status::Queued, "the next gate");
    world.event(refuse(Gate::Dependencies));
    assert_eq!(world.status(), Status::Queued, "a late word");
    world.open = true;
    world.event(Event::Admit(Gate::Place));
    assert_eq!(world.status(), Status::Online);
    // A restart after a crash needs a place, and waits for nobody else.
    world.open = false;
    world.after(60_000).exits(Exit::Code(1));
    assert_eq!(world.status(), Status::Queued);
}

#[test]
fn what_waits_keeps_its_turn_and_can_be_stopped_and_deleted() {
    let mut world = queued();
    let Phase::Held { due, .. } = world.life.phase else { panic!("{:?}", world.life) };
    world
        .after(500)
        .event(Event::Start(Why::default()))
        .event(Event::Restart(Why::default()))
        .event(Event::Reload(Why::default()))
        .event(Event::Tick(Why::default()));
    assert_eq!(world.life.phase, Phase::Held { gate: Gate::Place, due });
    assert_eq!((world.settled, world.life.restart_time), (4, 0));
    world.event(Event::Stop);
    assert_eq!((world.status(), world.settled), (Status::Stopped, 5));
    // Too late.
    world.opens();
    assert_eq!((world.status(), world.child), (Status::Stopped, None));
    world.event(Event::Tick(Why::default()));
    assert_eq!(world.status(), Status::Queued);
    assert!(world.life.is_wanted_up());
    world.event(Event::Delete);
    assert!(world.forgotten);
}

#[test]
fn a_restart_gives_its_place_back_and_waits_again() {
    let mut world = queued();
    world.opens().event(Event::Restart(Why::default())).exits(Exit::Signal(2));
    assert_eq!((world.status(), world.life.restart_time), (Status::Queued, 1));
    world.opens();
    assert_eq!(world.status(), Status::Online);
}

fn any_event() -> impl Strategy<Value = Option<Event>> {
    prop_oneof![
        Just(Some(Event::Start(Cause::User.into()))),
        Just(Some(Event::Stop)),
        Just(Some(Event::Restart(Cause::Restart.into()))),
        Just(Some(Event::Tick(Why::tick(7)))),
        Just(Some(Event::Reset)),
        Just(Some(Event::Reload(Cause::Reload.into()))),
        Just(Some(Event::Release)),
        Just(Some(Event::Drained)),
        Just(Some(Event::Resume)),
        Just(Some(Event::Retired)),
        Just(Some(Event::Delete)),
        Just(Some(Event::Admit(Gate::Place))),
        Just(Some(Event::Deadline)),
        Just(Some(Event::Exited { pid: 1, exit: Exit::Code(0) })),
        Just(None),
        Just(None),
    ]
}

/// What the children do of themselves.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Ends,
    SecondEnds,
    Reaches(Stage),
    Retires,
}

fn any_doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        Just(Doing::Ends),
        Just(Doing::SecondEnds),
        Just(Doing::Reaches(Stage::Booted)),
        Just(Doing::Reaches(Stage::Listening)),
        Just(Doing::Reaches(Stage::Ready)),
        Just(Doing::Retires),
    ]
}

proptest! {
    /// Whatever happens in whatever order: never two children, none unowned, every pause has an end, and a delete
    /// ends it.
    #[test]
    fn any_sequence_keeps_the_invariants(
        events in prop::collection::vec((any_event(), any_doing(), 0u64..5_000), 1..60),
        autorestart: bool,
        delay in prop::option::of(1u64..3_000),
        backoff in prop::option::of(1u64..3_000),
        wait_ready: bool,
        cluster: bool,
        overlap: bool,
        (gated, open) in (any::<bool>(), any::<bool>()),
        timeout in prop::option::of(1u64..4_000),
        retries in 0u32..3,
        (skips, queues) in (any::<bool>(), any::<bool>()),
    ) {
        let mut world = World::new(|app| {
            app.autorestart = autorestart;
            app.wait_ready = wait_ready;
            if cluster {
                make_worker(app);
            }
            app.reload = overlap.then_some(rpm_core::Reload::Overlap);
            app.restart_delay = delay.map(Millis);
            app.exp_backoff_restart_delay = backoff.map(Millis);
            app.task_timeout = timeout.map(Millis);
            app.retries = retries;
            app.cron_overlap = match (skips, queues) {
                (true, _) => Overlap::Skip,
                (_, true) => Overlap::Queue,
                _ => Overlap::Restart,
            };
        });
        if gated {
            world.policy.gates = vec![Gate::Place];
        }
        world.open = open;
        for (event, doing, pause) in events {
            world.after(pause);
            world.is_short = pause % 7 == 0;
            match event {
                Some(event) => { world.event(event); }
                None => match doing {
                    Doing::Ends if world.child.is_some() => { world.exits(Exit::Code(1)); }
                    Doing::SecondEnds if world.second.is_some() => { world.second_exits(Exit::Code(1)); }
                    Doing::Reaches(stage) if world.child.is_some() => { world.reaches(stage); }
                    Doing::Retires if !world.retired.is_empty() => { world.retires(); }
                    _ => {}
                },
            }
            if world.forgotten {
                return Ok(());
            }
            world.check();
        }
        world.event(Event::Delete);
        if world.child.is_some() {
            world.exits(Exit::Signal(9));
        }
        prop_assert!(world.forgotten);
    }
}

#[test]
fn an_end_that_the_death_of_the_daemon_caused_is_no_unstable_one() {
    let mut world = World::new(|app| {
        app.max_restarts = Some(1);
        app.min_uptime = Some(rpm_core::Millis(60_000));
    });
    world.event(Event::Start(Cause::User.into()));
    let pid = world.child.take().unwrap();
    world.event(Event::Bereft { pid, exit: Exit::Unknown });
    assert_eq!((world.status(), world.life.unstable_restarts), (Status::Online, 0));
    world.exits(Exit::Code(1));
    assert_eq!(world.status(), Status::Errored);
}

#[test]
fn a_tick_stands_in_the_record_of_what_follows_from_it() {
    let mut world = World::new(|_| {});
    world.event(Event::Tick(Why::tick(7)));
    assert_eq!((world.life.ticked, world.status()), (Some(7), Status::Online));
}
