//! The list as plain lines, `--mini-list`.

use std::fmt::Write;

use rpm_core::{ProcessInfo, name::printable, units::Memory};

use super::table::{optional, uptime};

/// A block for each process, in the order of ids.
pub(crate) fn list(processes: &[ProcessInfo], now: i64) -> String {
    let mut text = String::new();
    for process in processes {
        // Writing to a String cannot fail.
        let _ = block(&mut text, process, now);
    }
    text
}

fn block(text: &mut String, process: &ProcessInfo, now: i64) -> std::fmt::Result {
    let row = &process.summary;
    writeln!(text, "+--- {}", printable(&row.name))?;
    writeln!(text, "namespace : {}", printable(&row.namespace))?;
    writeln!(text, "version : {}", optional(row.version.as_deref()))?;
    writeln!(text, "pid : {}", row.pid)?;
    writeln!(text, "pm2 id : {}", row.id)?;
    writeln!(text, "status : {}", row.status)?;
    writeln!(text, "mode : {}", row.exec_mode.short())?;
    writeln!(text, "restarted : {}", row.restart_time)?;
    writeln!(text, "uptime : {}", uptime(row, now))?;
    // The space at the end is PM2's.
    writeln!(text, "memory usage : {} ", Memory(row.memory))?;
    writeln!(text, "error log : {}", printable(&process.error_log.to_string_lossy()))?;
    writeln!(text, "watching : {}", if row.watching { "yes" } else { "no" })?;
    writeln!(text, "PID file : {}", printable(&process.pid_file.to_string_lossy()))?;
    writeln!(text)
}

#[cfg(test)]
mod tests {
    use rpm_core::Status;

    use super::*;
    use crate::render::sample::{NOW, info};

    #[test]
    fn blocks_have_pm2s_lines() {
        insta::assert_snapshot!(list(
            &[info(0, "api", Status::Online), info(1, "job", Status::Stopped)],
            NOW
        ));
    }
}
