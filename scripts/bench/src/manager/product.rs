//! What differs between the process managers.

use std::io;

use crate::{subject::Kind, workload::Ecosystem};

/// One process manager, seen from outside.
pub(crate) struct Product {
    pub(crate) kind: Kind,
    /// The variable that names its home, which all that runs below its daemon inherits.
    pub(crate) home_variable: &'static str,
    /// What else is set for it.
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// Where the pid of its daemon is, below its home.
    pub(crate) daemon_pid_file: &'static str,
    /// A command that brings up a daemon and gives it nothing to do. `none` is an ecosystem file without apps.
    pub(crate) boot: &'static [&'static str],
    /// Of an ecosystem file.
    pub(crate) extension: &'static str,
    pub(crate) render: fn(&Ecosystem) -> io::Result<String>,
}

pub(crate) static RPM: Product = Product {
    kind: Kind::Rpm,
    home_variable: "RPM_HOME",
    env: &[],
    daemon_pid_file: "rpm.pid",
    // A verb that only asks starts no daemon.
    boot: &["start", "none.toml"],
    extension: "toml",
    render: |ecosystem| toml::to_string(ecosystem).map_err(io::Error::other),
};

pub(crate) static PM2: Product = Product {
    kind: Kind::Pm2,
    home_variable: "PM2_HOME",
    // Its daemon would ask its makers once a day whether there is a newer one.
    env: &[("PM2_DISABLE_VERSION_CHECK", "true")],
    daemon_pid_file: "pm2.pid",
    boot: &["ping"],
    extension: "json",
    render: |ecosystem| Ok(serde_json::to_string(ecosystem)?),
};
