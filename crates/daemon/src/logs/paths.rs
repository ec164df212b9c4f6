//! Where the logs of one process are.

use std::path::{Path, PathBuf};

use rpm_core::{AppSpec, CombinedLog, Home, LogTarget, ProcessId};

/// The log files of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogPaths {
    pub out: PathBuf,
    pub error: PathBuf,
    /// Both streams together.
    pub combined: Option<PathBuf>,
}

impl LogPaths {
    /// As declared, else below the home, where `stem` stands for the app; with the process's id unless its app's instances share their logs.
    pub(crate) fn of(app: &AppSpec, stem: &str, home: &Home, id: ProcessId) -> Self {
        let id = (!app.merges_logs()).then_some(id);
        let path = |target: &Option<LogTarget>, stream| match target {
            None => home.log(stem, stream, id),
            Some(LogTarget::Null) => PathBuf::from("/dev/null"),
            Some(LogTarget::File(path)) => numbered(path, id),
        };
        let combined = match &app.log_file {
            None | Some(CombinedLog::Default(false)) => None,
            Some(CombinedLog::Default(true)) => Some(home.combined_log(stem, id)),
            Some(CombinedLog::At(LogTarget::Null)) => None,
            Some(CombinedLog::At(LogTarget::File(path))) => Some(numbered(path, id)),
        };
        Self { out: path(&app.out_file, "out"), error: path(&app.error_file, "error"), combined }
    }
}

/// The pid file of one process: a declared one gets the id before its extension.
pub(crate) fn pid_file(app: &AppSpec, stem: &str, home: &Home, id: ProcessId) -> PathBuf {
    match &app.pid_file {
        None => home.pid_file(stem, id),
        Some(path) => numbered(path, Some(id)),
    }
}

/// `x.log` as `x-<id>.log`; a number that is there already is replaced.
fn numbered(path: &Path, id: Option<ProcessId>) -> PathBuf {
    let (Some(id), Some(name)) = (id, path.file_name().and_then(|name| name.to_str())) else {
        return path.to_owned();
    };
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    };
    let stem = match stem.rsplit_once('-') {
        Some((stem, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => stem,
    };
    path.with_file_name(format!("{stem}-{id}{extension}"))
}

#[cfg(test)]
mod tests {
    use rpm_core::{Instances, Interpreter, Persona};

    use super::*;

    #[test]
    fn a_number_stands_before_the_extension() {
        let numbered = |path: &str| numbered(Path::new(path), Some(4.into())).to_string_lossy().into_owned();
        assert_eq!(numbered("/l/x.log"), "/l/x-4.log");
        assert_eq!(numbered("/l/x-12.log"), "/l/x-4.log");
        assert_eq!(numbered("/l.d/x"), "/l.d/x-4");
        assert_eq!(numbered("/l/.x"), "/l/.x-4");
        assert_eq!(numbered("/l/a-b.log"), "/l/a-b-4.log");
    }

    #[test]
    fn declared_targets_win() {
        let home = Home::new("/h".into(), Persona::Rpm);
        let mut app = AppSpec::new("api", "/s".into(), Interpreter::None, "/".into());
        let paths = |app: &AppSpec| LogPaths::of(app, "api", &home, 2.into());
        assert_eq!(paths(&app).out, Path::new("/h/logs/api-out.log"));
        app.out_file = Some(LogTarget::Null);
        app.error_file = Some(LogTarget::File("/v/e.log".into()));
        app.instances = Some(Instances::Count(2));
        assert_eq!(paths(&app).out, Path::new("/dev/null"));
        assert_eq!(paths(&app).error, Path::new("/v/e-2.log"));
    }
}
