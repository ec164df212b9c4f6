//! `report`: what somebody needs to know who is to find out what is wrong.

use std::{fmt::Write as _, fs::File, io, path::Path};

use chrono::Local;
use nix::unistd::{User, getegid, geteuid};

use super::{Invocation, Nothing, Verb};
use crate::{
    context::{self, Context, now_millis},
    failure::Failure,
    logs::tail::tail,
    render,
};

pub(super) const VERB: Verb = Verb {
    name: "report",
    aliases: &[],
    about: "Show all that a report of a defect needs",
    takes_options: false,
    run,
};

/// Lines of the daemon's log.
const LOG_LINES: usize = 20;
const RULE: &str = "===============================================================================";

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Nothing {}) = invocation.read()?;
    let mut report = Report::default();
    let title = context.persona().title();
    report.heading(&format!("{title} report"));
    report.row("Date", &Local::now().to_rfc2822());
    report.section("Daemon");
    let mut connection = context.connect()?;
    let rows = match &mut connection {
        Some(connection) => {
            report.row("state", "it answers");
            context::rows(connection)?
        }
        None => {
            report.row("state", "none is running");
            Vec::new()
        }
    };
    daemon(&mut report, &context);
    report.section("CLI");
    report.row("version", env!("CARGO_PKG_VERSION"));
    report.row("executable", &shown(std::env::current_exe()));
    report.row("argv", &std::env::args().collect::<Vec<_>>().join(","));
    user(&mut report);
    report.section("System info");
    system(&mut report);
    report.section(&format!("{title} list"));
    let look = render::table::Look {
        paint: render::style::Paint(false),
        columns: None,
        now: now_millis(),
        persona: context.persona(),
    };
    report.text.push_str(&render::table::table(&rows, &look));
    report.section("Daemon logs");
    log(&mut report, &context.home.daemon_log(), title);
    context.out.text(&format!("\n```\n{}```\n\n", report.text));
    Ok(())
}

/// Text in PM2's form.
#[derive(Default)]
struct Report {
    text: String,
}

impl Report {
    fn heading(&mut self, name: &str) {
        _ = writeln!(self.text, "{:-<79}", format!("--- {name} "));
    }

    fn section(&mut self, name: &str) {
        self.text.push_str(RULE);
        self.text.push('\n');
        self.heading(name);
    }

    fn row(&mut self, name: &str, value: &str) {
        _ = writeln!(self.text, "{name:<21}: {value}");
    }
}

fn shown(path: io::Result<impl AsRef<Path>>) -> String {
    path.map_or_else(|error| error.to_string(), |path| path.as_ref().display().to_string())
}

fn daemon(report: &mut Report, context: &Context) {
    report.row("home", &context.home.root().display().to_string());
    let pid_file = context.home.daemon_pid();
    if let Ok(pid) = std::fs::read_to_string(&pid_file) {
        report.row("pid", pid.trim());
        // It is written once, when the daemon is up.
        let since = pid_file.metadata().and_then(|meta| meta.modified()).ok();
        if let Some(uptime) = since.and_then(|since| since.elapsed().ok()) {
            report.row("uptime", &format!("{}min", uptime.as_secs() / 60));
        }
    }
}

fn user(report: &mut Report) {
    let uid = geteuid();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    report.row("user", name.as_deref().unwrap_or("unknown"));
    report.row("uid", &uid.to_string());
    report.row("gid", &getegid().to_string());
}

fn system(report: &mut Report) {
    report.row("arch", std::env::consts::ARCH);
    report.row("platform", std::env::consts::OS);
    for (name, path) in [("kernel", "/proc/sys/kernel/osrelease"), ("load", "/proc/loadavg")] {
        if let Ok(text) = std::fs::read_to_string(path) {
            report.row(name, text.trim());
        }
    }
    if let Ok(cpus) = std::thread::available_parallelism() {
        report.row("cpus nb", &cpus.to_string());
    }
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    for (name, field) in [("totalmem", "MemTotal:"), ("freemem", "MemFree:")] {
        if let Some(amount) = meminfo.lines().find_map(|line| line.strip_prefix(field)) {
            report.row(name, amount.trim());
        }
    }
    report.row("home", &context::variable("HOME").unwrap_or_default());
}

fn log(report: &mut Report, path: &Path, label: &str) {
    _ = writeln!(report.text, "{} last {LOG_LINES} lines:", path.display());
    let read = File::open(path).and_then(|mut file| {
        tail(&mut file, LOG_LINES, |line| {
            let line = String::from_utf8_lossy(line);
            _ = writeln!(report.text, "{label:<10} | {}", rpm_core::name::printable(&line));
        })
    });
    if let Err(error) = read {
        _ = writeln!(report.text, "cannot be read: {error}");
    }
}
