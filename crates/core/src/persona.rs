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
}

impl Persona {
    /// The persona for `argv[0]`.
    pub fn of_program(argv0: &Path) -> Self {
        match argv0.file_name().and_then(|name| name.to_str()) {
            Some("pm2") => Self::Pm2,
            _ => Self::Rpm,
        }
    }

    /// The lower-case word used in file names: `rpm.log`, `rpm.pid`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Pm2 => "pm2",
        }
    }

    /// The name in messages: `[RPM] Done.`
    pub fn title(self) -> &'static str {
        match self {
            Self::Rpm => "RPM",
            Self::Pm2 => "PM2",
        }
    }

    /// The variable that names the home.
    pub fn home_variable(self) -> &'static str {
        match self {
            Self::Rpm => "RPM_HOME",
            Self::Pm2 => "PM2_HOME",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_named_pm2_is_the_drop_in() {
        assert_eq!(Persona::of_program(Path::new("/usr/bin/pm2")), Persona::Pm2);
        assert_eq!(Persona::of_program(Path::new("pm2")), Persona::Pm2);
        assert_eq!(Persona::of_program(Path::new("/opt/pm2/rpm")), Persona::Rpm);
        assert_eq!(Persona::of_program(Path::new("")), Persona::Rpm);
    }
}
