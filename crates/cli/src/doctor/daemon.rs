//! The daemon: whether it answers, which program it is, and what it still has to give.

use std::{fs, os::unix::net::UnixStream};

use rpm_client::{ClientError, Connection};
use rpm_core::{
    Home, Persona, ProcessInfo,
    name::printable,
    protocol::{Reply, Request},
};

use rpm_daemon::{Unowned, kill_words};

use super::Finding;

const SUBJECT: &str = "daemon";

/// Of its descriptors, in percent, above which they will soon be used up.
const SCARCE: u64 = 80;

/// The processes, if it answers, and what was found.
pub(super) fn findings(home: &Home) -> (Option<Vec<ProcessInfo>>, Vec<Finding>) {
    let word = home.persona().word();
    let mut findings = beside_the_original(home);
    let mut connection = match Connection::connect(home) {
        Ok(Some(connection)) => connection,
        Ok(None) => {
            findings.push(without(home));
            return (None, findings);
        }
        Err(error) => {
            findings.push(Finding::bad(SUBJECT, error.to_string(), "see above"));
            return (None, findings);
        }
    };
    match ask(&mut connection) {
        Ok(processes) => {
            let pid = fs::read_to_string(home.daemon_pid()).ok().and_then(|text| text.trim().parse().ok());
            findings
                .push(Finding::good(SUBJECT, format!("it answers, and has {} processes", processes.len())));
            findings.extend(pid.and_then(|pid| replaced(pid, word)));
            findings.extend(unowned(home, &processes));
            findings.extend(pid.and_then(|pid| descriptors(pid, processes.len(), word)));
            (Some(processes), findings)
        }
        Err(error @ ClientError::OtherVersion { .. }) => {
            findings.push(Finding::bad(
                SUBJECT,
                error.to_string(),
                format!("`{word} update`: the processes go on"),
            ));
            (None, findings)
        }
        Err(error) => {
            findings.push(Finding::bad(
                SUBJECT,
                error.to_string(),
                "end it with `kill -9`: its processes go on, and the next command takes them over",
            ));
            (None, findings)
        }
    }
}

fn ask(connection: &mut Connection) -> Result<Vec<ProcessInfo>, ClientError> {
    let mut processes = Vec::new();
    for reply in connection.request(&Request::Describe(None))? {
        if let Reply::Processes(more) = reply? {
            processes.extend(more);
        }
    }
    Ok(processes)
}

fn without(home: &Home) -> Finding {
    let word = home.persona().word();
    if home.journal().exists() {
        return Finding::warning(
            SUBJECT,
            "it died, or the machine was started anew: nobody looks after what it had started",
            format!("`{word} list` starts another, which takes over what still runs"),
        );
    }
    if let Ok(Some(squatters)) = rpm_daemon::Squatters::of(home) {
        return Finding::bad(SUBJECT, squatters.what(home), squatters.way_out());
    }
    if home.socket().exists() {
        return Finding::good(SUBJECT, "none runs; the socket of an earlier one is replaced by the next");
    }
    Finding::good(SUBJECT, "none runs; the first app brings one up")
}

/// What was started here and belongs to nothing in the list.
fn unowned(home: &Home, processes: &[ProcessInfo]) -> Vec<Finding> {
    let found = Unowned::of(home, |id| processes.iter().any(|process| process.summary.id == id));
    let finding = |unowned: Unowned| {
        let pids = kill_words(unowned.pids.iter().map(|&(pid, _)| pid));
        let (name, id) = (printable(&unowned.name).into_owned(), unowned.id);
        Finding::bad(
            SUBJECT,
            format!("processes of app {name:?} run (pids {pids}), but no process {id} is in the list"),
            format!("end them: `kill {pids}`"),
        )
    };
    found.unwrap_or_default().into_iter().map(finding).collect()
}

/// The program was replaced while it ran.
fn replaced(pid: i32, word: &str) -> Option<Finding> {
    let executable = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let gone = executable.to_string_lossy().ends_with(" (deleted)");
    gone.then(|| {
        Finding::warning(
            SUBJECT,
            "it is an earlier program than the one that is installed",
            format!("`{word} update`: nothing is restarted"),
        )
    })
}

fn descriptors(pid: i32, processes: usize, word: &str) -> Option<Finding> {
    let used = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let limit: u64 = files.split_ascii_whitespace().next()?.parse().ok()?;
    (used * 100 > limit * SCARCE).then(|| {
        Finding::warning(
            "descriptors",
            format!("the daemon uses {used} of {limit}, for {processes} processes"),
            format!("raise the limit (`ulimit -n`, `LimitNOFILE=`), then `{word} update`"),
        )
    })
}

/// The original looks after the same home.
fn beside_the_original(home: &Home) -> Vec<Finding> {
    let socket = home.root().join("rpc.sock");
    if home.persona() == Persona::Rpm || UnixStream::connect(&socket).is_err() {
        return Vec::new();
    }
    vec![Finding::bad(
        SUBJECT,
        format!("the original PM2 runs in this home, too: it listens on {}", socket.display()),
        "save its list with its own `pm2 save`, end it with its own `pm2 kill`, then `pm2 resurrect` here",
    )]
}
