//! What has to be done between the spawn and the program: entering a control group, taking limits, changing to another
//! user, and telling the program its pid.
//!
//! `posix_spawn` can do none of these. So the daemon spawns this executable with the hidden verb [`VERB`], which does it and
//! executes the program in its own place: the pid stays the same, and no code of ours runs in a forked daemon.

use std::{
    convert::Infallible,
    env,
    ffi::{CString, OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use nix::{
    errno::Errno,
    libc::RLIM_INFINITY,
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{Gid, Uid, User, execve, initgroups, setgid, setgroups, setuid},
};
use rpm_core::limits::{CoreSize, EachProcess};
use serde::{Deserialize, Serialize};

/// The hidden verb. It is followed by a `Preparation`, the program and its argument vector.
pub const VERB: &str = "__exec";

/// What has to be done first, as one argument in JSON.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Preparation {
    /// The directory of the control group to enter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<PathBuf>,
    #[serde(flatten)]
    pub limits: EachProcess,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

/// Why the program was not executed.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The arguments are not those that the daemon gives.
    #[error("{VERB} is for the daemon: it wants what to prepare, a program and its arguments")]
    Usage,
    /// The system refused.
    #[error("cannot {0}: {1}")]
    System(String, Errno),
}

/// Becomes the program that `arguments` (those after the verb) describe. Returns only if that fails.
pub fn launch(arguments: impl IntoIterator<Item = OsString>) -> Result<Infallible, LaunchError> {
    let mut words =
        arguments.into_iter().map(|word| CString::new(word.into_vec()).map_err(|_| LaunchError::Usage));
    let preparation = words.next().ok_or(LaunchError::Usage)??;
    let preparation = serde_json::from_slice(preparation.as_bytes()).map_err(|_| LaunchError::Usage)?;
    let program = words.next().ok_or(LaunchError::Usage)??;
    let argv = words.collect::<Result<Vec<_>, _>>()?;
    prepare(&preparation)?;
    let envp = environment().collect::<Result<Vec<_>, _>>().map_err(|_| LaunchError::Usage)?;
    execve(&program, &argv, &envp).map_err(system("execute the program"))
}

/// What needs rights comes before these are given up.
fn prepare(preparation: &Preparation) -> Result<(), LaunchError> {
    if let Some(group) = &preparation.group {
        let entered = std::fs::write(group.join("cgroup.procs"), "0");
        let errno = |error: &io::Error| Errno::from_raw(error.raw_os_error().unwrap_or_default());
        entered.map_err(|error| {
            LaunchError::System(format!("enter the control group {}", group.display()), errno(&error))
        })?;
    }
    if let Some(files) = preparation.limits.open_files {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(files, |(_, hard)| hard.max(files));
        // Raising the hard limit needs rights, and lowering it cannot be taken back: it stays where it can.
        setrlimit(Resource::RLIMIT_NOFILE, files, limit)
            .map_err(system(format!("allow {files} open files")))?;
    }
    if let Some(core) = preparation.limits.core {
        let size = match core {
            CoreSize::Unlimited => RLIM_INFINITY,
            CoreSize::AtMost(size) => size.0,
        };
        let hard = getrlimit(Resource::RLIMIT_CORE).map_or(size, |(_, hard)| hard.max(size));
        setrlimit(Resource::RLIMIT_CORE, size, hard).map_err(system("allow core dumps of that size"))?;
    }
    if let Some(nice) = preparation.limits.nice {
        rustix::process::setpriority_process(None, nice.into())
            .map_err(|error| Errno::from_raw(error.raw_os_error()))
            .map_err(system(format!("set the priority {nice}")))?;
    }
    // Groups first: afterwards the right to change them is gone.
    if preparation.uid.is_some() || preparation.gid.is_some() {
        set_supplementary_groups(preparation)?;
    }
    if let Some(gid) = preparation.gid {
        setgid(Gid::from_raw(gid)).map_err(system("change the group"))?;
    }
    if let Some(uid) = preparation.uid {
        setuid(Uid::from_raw(uid)).map_err(system("change the user"))?;
    }
    Ok(())
}

/// Takes the groups that the user of the app is a member of; none where the user is unknown to this system.
fn set_supplementary_groups(preparation: &Preparation) -> Result<(), LaunchError> {
    let user = match preparation.uid {
        Some(uid) => User::from_uid(Uid::from_raw(uid)).map_err(system("look up the user"))?,
        None => None,
    };
    let name = user.as_ref().and_then(|user| CString::new(user.name.as_bytes()).ok());
    match (user, name) {
        (Some(user), Some(name)) => {
            let primary = preparation.gid.map_or(user.gid, Gid::from_raw);
            initgroups(&name, primary).map_err(system("set the supplementary groups"))
        }
        _ => setgroups(&[]).map_err(system("clear the supplementary groups")),
    }
}

fn system(what: impl Into<String>) -> impl FnOnce(Errno) -> LaunchError {
    let what = what.into();
    move |errno| LaunchError::System(what, errno)
}

/// The environment of the program: with its pid, where it is given sockets (`sd_listen_fds`).
fn environment() -> impl Iterator<Item = Result<CString, std::ffi::NulError>> {
    const PID: &str = "LISTEN_PID";
    let pid = env::var_os("LISTEN_FDS").map(|_| OsString::from(std::process::id().to_string()));
    env::vars_os()
        .filter(|(name, _)| name != PID)
        .chain(pid.map(|pid| (OsString::from(PID), pid)))
        .map(|(name, value)| entry(&name, &value))
}

fn entry(name: &OsStr, value: &OsStr) -> Result<CString, std::ffi::NulError> {
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())
}
