//! The home: whose it is, who may look into it, and whether there is room.

use std::{
    fs::{self, Metadata},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::Path,
};

use nix::{
    sys::statvfs::statvfs,
    unistd::{AccessFlags, Uid, User, access, geteuid},
};
use rpm_core::{Home, units::Memory};

use super::Finding;

const SUBJECT: &str = "home";

/// The longest path that the address of a socket holds on Linux.
const MAX_SOCKET_PATH: usize = 107;

/// With less room than this, in percent of the file system and in bytes, logs will soon be cut short.
const SCARCE: (u64, u64) = (5, 1 << 30);

/// A log of this size is rotated by nobody.
const LARGE_LOG: u64 = 1 << 30;

pub(super) fn findings(home: &Home) -> Vec<Finding> {
    let root = home.root();
    let mut findings = Vec::new();
    let length = home.socket().as_os_str().len();
    if length > MAX_SOCKET_PATH {
        findings.push(Finding::bad(
            SUBJECT,
            format!("{} is too long for a socket: {length} bytes, at most {MAX_SOCKET_PATH}", root.display()),
            format!("set {} to a shorter path", home.persona().home_variable()),
        ));
    }
    let metadata = match fs::metadata(root) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            findings.push(Finding::good(SUBJECT, format!("{} is made with the first app", root.display())));
            return findings;
        }
        Err(error) => {
            findings.push(Finding::bad(
                SUBJECT,
                format!("{}: {error}", root.display()),
                "give yourself the right to it",
            ));
            return findings;
        }
    };
    findings.extend(ownership(root, &metadata));
    findings.extend(room(root));
    findings.extend(private_files(home));
    findings.extend(open_directories(home));
    findings.extend(large_logs(home));
    findings.extend(settings(home));
    if findings.is_empty() {
        findings.push(Finding::good(SUBJECT, format!("{} is yours alone, and has room", root.display())));
    }
    findings
}

fn ownership(root: &Path, metadata: &Metadata) -> Option<Finding> {
    let shown = root.display();
    if metadata.uid() != geteuid().as_raw() && !geteuid().is_root() {
        let owner = User::from_uid(Uid::from_raw(metadata.uid())).ok().flatten();
        let owner = owner.map_or_else(|| metadata.uid().to_string(), |user| user.name);
        return Some(Finding::bad(
            SUBJECT,
            format!("{shown} belongs to {owner}"),
            format!("be {owner}, or use a home of your own"),
        ));
    }
    if access(root, AccessFlags::W_OK).is_err() {
        return Some(Finding::bad(
            SUBJECT,
            format!("{shown} cannot be written to"),
            format!("chmod u+w {shown}"),
        ));
    }
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        Finding::warning(
            SUBJECT,
            format!("{shown} is open to other users (mode {mode:o}): it holds the environments of apps"),
            format!("chmod 700 {shown}"),
        )
    })
}

fn room(root: &Path) -> Vec<Finding> {
    let Ok(system) = statvfs(root) else { return Vec::new() };
    let free = system.blocks_available() * system.fragment_size();
    let total = (system.blocks() * system.fragment_size()).max(1);
    let mut findings = Vec::new();
    let advice = "make room: apps go on, what they write is lost while it is full";
    if free == 0 {
        findings.push(Finding::bad("disk", "the file system of the home is full", advice));
    } else if free * 100 / total < SCARCE.0 && free < SCARCE.1 {
        let what = format!("the file system of the home has {} left", Memory(rpm_core::Bytes(free)));
        findings.push(Finding::warning("disk", what, advice));
    }
    if system.files() > 0 && system.files_available() == 0 {
        findings.push(Finding::bad(
            "disk",
            "the file system of the home takes no more files",
            "remove files",
        ));
    }
    findings
}

/// Directories of logs and pids that other users may read. PM2 makes them so, and the persona `pm2` leaves them as they
/// are, because log shippers of other users may rely on it.
fn open_directories(home: &Home) -> Vec<Finding> {
    let is_open =
        |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if !is_open(home.root()) {
        return Vec::new();
    }
    let directories = [("logs", home.logs_dir()), ("pids", home.pids_dir())];
    let open = directories.into_iter().filter(|(_, path)| is_open(path));
    open.map(|(name, path)| {
        Finding::warning(
            SUBJECT,
            format!("{name}/ is open to other users, as PM2 leaves it: they can read what apps write there"),
            format!("chmod 700 {}, unless tools of other users read it", path.display()),
        )
    })
    .collect()
}

/// Values that are stored and cannot be read.
fn settings(home: &Home) -> Vec<Finding> {
    let word = home.persona().word();
    let finding =
        |problem| Finding::bad(SUBJECT, problem, format!("`{word} set KEY VALUE`, or `{word} unset KEY`"));
    rpm_daemon::bad_settings(home).into_iter().map(finding).collect()
}

/// Files with what others must not read, and the socket by which apps are started.
fn private_files(home: &Home) -> Vec<Finding> {
    let files = [home.dump(), home.journal(), home.socket(), crate::web::token::path(home)]
        .into_iter()
        .chain(home.dump_backups());
    let open = files.filter_map(|path| {
        let metadata = fs::symlink_metadata(&path).ok()?;
        let mode = metadata.permissions().mode() & 0o777;
        (!metadata.file_type().is_symlink() && mode & 0o077 != 0).then(|| {
            let what = if metadata.file_type().is_socket() { "would start apps" } else { "holds secrets" };
            Finding::warning(
                SUBJECT,
                format!("{} is open to other users (mode {mode:o}) and {what}", path.display()),
                format!("chmod 600 {}", path.display()),
            )
        })
    });
    open.collect()
}

fn large_logs(home: &Home) -> Option<Finding> {
    let logs = fs::read_dir(home.logs_dir()).ok()?.flatten();
    let large: Vec<_> = logs
        .filter(|log| log.metadata().is_ok_and(|metadata| metadata.len() > LARGE_LOG))
        .map(|log| log.file_name().to_string_lossy().into_owned())
        .collect();
    (!large.is_empty()).then(|| {
        let word = home.persona().word();
        Finding::warning(
            "logs",
            format!(
                "larger than {}: {}",
                Memory(rpm_core::Bytes(LARGE_LOG)),
                super::names(large.iter().map(String::as_str))
            ),
            format!("have them rotated: `{word} set pm2-logrotate:max_size 100M`, or `{word} flush`"),
        )
    })
}
