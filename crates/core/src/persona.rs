//! The name the executable was called by.

use std::path::Path;

/// Decides the home, the prefix of messages and the names of files: everything that depends on whether the
/// executable was called `rpm` or through a link named `pm2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persona {
    /// `rpm` itself, and any name we do not know.
    Rpm,
    /// The drop-in for PM2.
    Pm2,
    /// PM2 in the foreground, as the program of a container.
    Runtime,
    /// PM2 in the foreground while somebody writes the app, with a home of its own.
    Dev,
}

impl Persona {
    /// The persona for `argv[0]`.
    pub fn of_program(argv0: &Path) -> Self {
        match argv0.file_name().and_then(|name| name.to_str()) {
            Some("pm2") => Self::Pm2,
            Some("pm2-runtime" | "pm2-docker") => Self::Runtime,
            Some("pm2-dev") => Self::Dev,
            _ => Self::Rpm,
        }
    }

    /// The lower-case word used in file names: `rpm.log`, `rpm.pid`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Pm2 | Self::Runtime | Self::Dev => "pm2",
        }
    }

    /// The name in messages: `[RPM] Done.`
    pub fn title(self) -> &'static str {
        match self {
            Self::Rpm => "RPM",
            Self::Pm2 | Self::Runtime | Self::Dev => "PM2",
        }
    }

    /// The variable that names the home.
    pub fn home_variable(self) -> &'static str {
        match self {
            Self::Rpm => "RPM_HOME",
            Self::Pm2 | Self::Runtime | Self::Dev => "PM2_HOME",
        }
    }

    /// The home below the user's directory.
    pub fn home_directory(self) -> &'static str {
        match self {
            Self::Rpm => ".rpm",
            Self::Pm2 | Self::Runtime => ".pm2",
            Self::Dev => ".pm2-dev",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_named_as_pm2s_programs_are_the_drop_in() {
        assert_eq!(Persona::of_program(Path::new("/usr/bin/pm2")), Persona::Pm2);
        assert_eq!(Persona::of_program(Path::new("pm2")), Persona::Pm2);
        assert_eq!(Persona::of_program(Path::new("/usr/bin/pm2-runtime")), Persona::Runtime);
        assert_eq!(Persona::of_program(Path::new("pm2-docker")), Persona::Runtime);
        assert_eq!(Persona::of_program(Path::new("pm2-dev")), Persona::Dev);
        assert_eq!(Persona::of_program(Path::new("/opt/pm2/rpm")), Persona::Rpm);
        assert_eq!(Persona::of_program(Path::new("")), Persona::Rpm);
    }
}
