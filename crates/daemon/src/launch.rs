//! What has to be done between the spawn and the program: changing to another user, and telling the program its pid.
//!
//! `posix_spawn` can do neither. So the daemon spawns this executable with the hidden verb [`VERB`], which does it and
//! executes the program in its own place: the pid stays the same, and no code of ours runs in a forked daemon.

use std::{
    convert::Infallible,
    env,
    ffi::{CString, OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use nix::{
    errno::Errno,
    unistd::{Gid, Uid, execve, setgid, setgroups, setuid},
};

/// The hidden verb. It is followed by a uid and a gid (`-` keeps it), the program and its argument vector.
pub const VERB: &str = "__exec";

/// Why the program was not executed.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The arguments are not those that the daemon gives.
    #[error("{VERB} is for the daemon: it wants a uid, a gid, a program and its arguments")]
    Usage,
    /// The system refused.
    #[error("cannot {0}: {1}")]
    System(&'static str, Errno),
}

/// Becomes the program that `arguments` (those after the verb) describe. Returns only if that fails.
pub fn launch(arguments: impl IntoIterator<Item = OsString>) -> Result<Infallible, LaunchError> {
    let mut arguments = arguments.into_iter();
    let mut id = || -> Result<Option<u32>, LaunchError> {
        let word = arguments.next().ok_or(LaunchError::Usage)?;
        match word.to_str() {
            Some("-") => Ok(None),
            Some(number) => number.parse().map(Some).map_err(|_| LaunchError::Usage),
            None => Err(LaunchError::Usage),
        }
    };
    let (uid, gid) = (id()?, id()?);
    let mut words = arguments.map(|word| CString::new(word.into_vec()).map_err(|_| LaunchError::Usage));
    let program = words.next().ok_or(LaunchError::Usage)??;
    let argv = words.collect::<Result<Vec<_>, _>>()?;
    let system = |what| move |errno| LaunchError::System(what, errno);
    // Groups first: afterwards the right to change them is gone.
    if uid.is_some() || gid.is_some() {
        setgroups(&[]).map_err(system("clear the supplementary groups"))?;
    }
    if let Some(gid) = gid {
        setgid(Gid::from_raw(gid)).map_err(system("change the group"))?;
    }
    if let Some(uid) = uid {
        setuid(Uid::from_raw(uid)).map_err(system("change the user"))?;
    }
    let envp = environment().collect::<Result<Vec<_>, _>>().map_err(|_| LaunchError::Usage)?;
    execve(&program, &argv, &envp).map_err(system("execute the program"))
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
