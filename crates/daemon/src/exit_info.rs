//! How a process ended that is no child: newer kernels tell whoever held a pidfd of it.
#![expect(
    unsafe_code,
    reason = "the kernel fills in a structure; this module makes sure that it is of the kernel's shape"
)]

use std::{
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use nix::{errno::Errno, ioctl_readwrite, libc};
use rpm_core::Exit;

/// `struct pidfd_info` of linux/pidfd.h, as in its first version.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    /// What is asked for, then what was filled in.
    mask: u64,
    cgroup: u64,
    /// Pids and users.
    ids: [u32; 11],
    /// As waitpid(2) gives it.
    status: i32,
}

/// `PIDFD_INFO_EXIT`, since Linux 6.15.
const EXIT: u64 = 1 << 3;

// `PIDFD_GET_INFO`.
ioctl_readwrite!(pidfd_get_info, 0xFF, 11, PidfdInfo);

/// The kernel knows it only once the parent has taken the process in, which may be a moment after its end.
const PATIENCE: [u64; 6] = [0, 1, 2, 5, 10, 20];

/// How the process behind `pidfd`, which has ended, did so; [`Exit::Unknown`] where the kernel does not tell.
pub(crate) async fn of(pidfd: impl AsFd) -> Exit {
    for pause in PATIENCE {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let mut info = PidfdInfo { mask: EXIT, ..PidfdInfo::default() };
        // SAFETY: the structure has the layout and size that the request's number names, is all zero but for the mask,
        // and lives until the call returns; the kernel keeps no pointer to it.
        let outcome = unsafe { pidfd_get_info(pidfd.as_fd().as_raw_fd(), &raw mut info) };
        match outcome {
            Ok(_) if info.mask & EXIT != 0 => return exit(info.status),
            Ok(_) | Err(Errno::ESRCH) => {}
            // A kernel that does not know the question.
            Err(_) => break,
        }
    }
    Exit::Unknown
}

fn exit(status: i32) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[tokio::test]
    async fn it_is_told_or_unknown_but_never_wrong() {
        for (script, expected) in [("exit 7", Exit::Code(7)), ("kill -9 $$", Exit::Signal(9))] {
            let mut child = std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
            let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
            child.wait().unwrap();
            let told = of(&pidfd).await;
            assert!(told == expected || told == Exit::Unknown, "{told:?}");
        }
    }
}
