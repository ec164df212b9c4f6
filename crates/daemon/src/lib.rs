//! The god daemon: owns the processes, their logs and their schedules, and answers on a socket.
//!
//! [`run`] is the whole of it. Inside, `server` turns frames into requests, `god` is the event loop, `machine` the
//! pure life of one process, and the rest carries out what the machine decides.

mod alarm;
mod begun;
mod cgroup;
mod checkup;
mod child_env;
mod clock;
mod code;
mod confinement;
mod descriptors;
mod dump;
mod environment;
mod exit_info;
mod files;
#[cfg(fuzzing)]
pub mod fuzzing;
mod god;
mod handover;
mod history;
mod home_watch;
mod identity;
mod inherited;
mod inotify;
mod ipc;
mod journal;
mod launch;
mod life;
mod logs;
mod machine;
mod meter;
mod node;
mod orders;
mod os_signals;
mod package;
mod places;
mod procfs;
mod readable;
mod ready;
mod reap;
mod replies;
mod seen;
mod server;
mod service;
mod settings;
mod sockets;
mod spawn;
mod squatters;
mod strays;
mod table;
mod timers;
mod told;
mod traffic;
mod tree;
mod unowned;
mod verbs;
mod watch;

pub use cgroup::{MAKE_WAY, make_way};
pub use dump::{MAX_DUMP, Proof, proof, saved};
pub use handover::{CHECK, FIT, HANDOVER_FD};
pub use launch::{LaunchError, VERB as LAUNCH_VERB, launch};
pub use life::{DaemonError, check, run, take_over};
pub use settings::{bad_settings, check_setting};
pub use squatters::Squatters;
pub use unowned::{Unowned, words as kill_words};
