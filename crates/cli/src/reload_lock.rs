//! PM2's lock against a second reload: `reload.lock` in the home holds the moment at which the first began,
//! milliseconds since the epoch, and nothing when it is over.

use std::{
    fs::OpenOptions,
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use nix::{
    fcntl::{Flock, FlockArg},
    libc::O_NOFOLLOW,
};

use crate::{
    context::{Context, now_millis, variable},
    failure::Failure,
};

/// A lock that is older was left behind by a reload that died.
const LIMIT_MS: i64 = 30_000;

/// Held while a reload goes on.
#[derive(Debug)]
pub(crate) struct ReloadLock {
    path: PathBuf,
}

impl ReloadLock {
    /// Takes the lock, unless another has it and nothing is forced.
    pub(crate) fn take(context: &Context) -> Result<Self, Failure> {
        let path = context.home.root().join("reload.lock");
        let limit = variable(&format!("{}_RELOAD_LOCK_TIMEOUT", context.persona().title()));
        let limit = limit.and_then(|text| text.parse().ok()).unwrap_or(LIMIT_MS);
        let left = acquire(&path, now_millis(), limit, context.options.force)
            .map_err(|error| Failure::Error(format!("cannot lock {}: {error}", path.display())))?;
        match left {
            None => Ok(Self { path }),
            Some(seconds) => Err(Failure::Error(format!(
                "Reload already in progress, please try again in {seconds} seconds or use --force"
            ))),
        }
    }
}

impl Drop for ReloadLock {
    fn drop(&mut self) {
        // One that cannot be emptied is out of force after its time.
        let _ = OpenOptions::new().write(true).truncate(true).custom_flags(O_NOFOLLOW).open(&self.path);
    }
}

/// Writes the moment into the lock; or tells how many seconds whoever has it keeps it at most.
fn acquire(path: &PathBuf, now: i64, limit: i64, force: bool) -> io::Result<Option<i64>> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(O_NOFOLLOW)
        .open(path)?;
    // Two that begin at once look one after the other.
    let mut file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if let Ok(began) = text.trim().parse::<i64>() {
        let left = began.saturating_add(limit).saturating_sub(now);
        if left > 0 && left <= limit && !force {
            return Ok(Some((left + 999) / 1000));
        }
    }
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{now}")?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reload_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reload.lock");
        assert_eq!(acquire(&path, 1_000_000, 30_000, false).unwrap(), None);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1000000");
        assert_eq!(acquire(&path, 1_001_500, 30_000, false).unwrap(), Some(29));
        assert_eq!(acquire(&path, 1_001_500, 30_000, true).unwrap(), None, "forced");
        drop(ReloadLock { path: path.clone() });
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        assert_eq!(acquire(&path, 1_002_000, 30_000, false).unwrap(), None);
    }

    #[test]
    fn a_lock_left_behind_or_from_the_future_or_unreadable_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reload.lock");
        for text in ["1000", "99999999999999", "nonsense", "-9223372036854775808"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(acquire(&path, 1_000_000, 30_000, false).unwrap(), None, "{text}");
        }
    }
}
