//! What an app may use of the machine.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Bytes, units::Memory};

/// What an app may use. `None` is whatever the daemon itself may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Resident memory of its whole tree. Over it the tree is killed; over [`crate::AppSpec::max_memory_restart`] it is
    /// reloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// CPU time of its whole tree, in percent of one core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// What each of its processes may.
    #[serde(flatten)]
    pub each: EachProcess,
}

/// Limits that a process is given before its program begins, and that those have which it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EachProcess {
    /// Descriptors of each of its processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// Size of a core dump.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<CoreSize>,
    /// Priority, from -20 (high; root only) to 19 (low): see nice(2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nice: Option<i8>,
}

/// The largest core dump that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoreSize {
    /// However large it is.
    Unlimited,
    /// So many bytes at most; none at all with 0.
    #[serde(untagged)]
    AtMost(Bytes),
}

impl Limits {
    /// Whether the kernel can hold it only by a control group.
    pub fn need_group(&self) -> bool {
        self.memory.is_some() || self.cpu.is_some()
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.each.core.map(|core| match core {
            CoreSize::Unlimited => "core unlimited".to_owned(),
            CoreSize::AtMost(size) => format!("core {}", Memory(size)),
        });
        let words = [
            self.memory.map(|memory| format!("memory {}", Memory(memory))),
            self.cpu.map(|percent| format!("cpu {percent}%")),
            self.each.open_files.map(|files| format!("open files {files}")),
            core,
            self.each.nice.map(|nice| format!("nice {nice}")),
        ];
        f.pad(&words.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_kept_as_they_were_declared() {
        let limits = Limits {
            memory: Some(Bytes(64 << 20)),
            each: EachProcess {
                core: Some(CoreSize::AtMost(Bytes(0))),
                nice: Some(5),
                ..EachProcess::default()
            },
            ..Limits::default()
        };
        let json = serde_json::to_string(&limits).unwrap();
        assert_eq!(json, r#"{"memory":67108864,"core":0,"nice":5}"#);
        assert_eq!(serde_json::from_str::<Limits>(&json).unwrap(), limits);
        let each = EachProcess { core: Some(CoreSize::Unlimited), ..EachProcess::default() };
        let unlimited = Limits { each, ..Limits::default() };
        let json = serde_json::to_string(&unlimited).unwrap();
        assert_eq!(serde_json::from_str::<Limits>(&json).unwrap(), unlimited);
        assert_eq!(limits.to_string(), "memory 64mb, core 0b, nice 5");
    }
}
