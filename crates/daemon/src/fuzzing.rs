//! What the fuzz targets reach of this crate: whatever the bytes are, nothing may panic.

use std::path::Path;

use rpm_core::{Home, Persona};

use crate::{dump, journal::Past, node, procfs::Stat, ready};

/// A journal that another daemon has left.
pub fn journal(bytes: &[u8]) {
    let _ = Past::parse(bytes);
}

/// A list that was saved, in our form or PM2's.
pub fn dump(bytes: &[u8]) {
    let _ = dump::parse(bytes, Path::new("dump"), &Home::new("/h".into(), Persona::Pm2));
}

/// A line of a worker of a cluster.
pub fn worker(bytes: &[u8]) {
    node::read_line(bytes);
}

/// A datagram of an app that speaks systemd's protocol.
pub fn datagram(bytes: &[u8]) {
    ready::read_datagram(bytes);
}

/// A line of `/proc/<pid>/stat`.
pub fn stat(bytes: &[u8]) {
    let _ = Stat::parse(bytes);
}
