//! Changing to another user between the spawn and the program.
//!
//! `posix_spawn` cannot do it. So the daemon spawns this executable with the hidden verb [`VERB`], which changes and
//! executes the program in its own place: the pid stays the same, and no code of ours runs in a forked daemon.

use std::{
    convert::Infallible,
    ffi::{CString, OsString},
    os::unix::ffi::OsStringExt,
};

use nix::{
    errno::Errno,
    unistd::{Gid, Uid, execv, setgid, setgroups, setuid},
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
    setgroups(&[]).map_err(system("clear the supplementary groups"))?;
    if let Some(gid) = gid {
        setgid(Gid::from_raw(gid)).map_err(system("change the group"))?;
    }
    if let Some(uid) = uid {
        setuid(Uid::from_raw(uid)).map_err(system("change the user"))?;
    }
    execv(&program, &argv).map_err(system("execute the program"))
}
