//! What runs a `.ts` file: bun, or a Node that strips types.

use std::process::Command;

use rpm_core::Interpreter;

use crate::caller::Programs;

/// An interpreter, and the arguments that make it run a script.
pub(crate) type Run = (Interpreter, &'static [&'static str]);

/// What runs TypeScript wherever it is installed.
pub(crate) const PREFERRED: &str = "bun";

/// What runs TypeScript here. Without bun this asks `node` for its version.
pub(crate) fn interpreter(programs: &mut Programs) -> Result<Run, &'static str> {
    if programs.find(PREFERRED).is_some() {
        return Ok((Interpreter::Program(PREFERRED.to_owned()), &[]));
    }
    let version = programs
        .find("node")
        .and_then(|node| Command::new(node).arg("--version").output().ok())
        .and_then(|output| version(&String::from_utf8_lossy(&output.stdout)));
    match version.and_then(type_stripping) {
        Some(flags) => Ok((Interpreter::Program("node".to_owned()), flags)),
        None => Err("TypeScript apps require bun, Node.js >= 22.18 (native type stripping) or a custom \
                     interpreter (e.g. --interpreter ts-node)"),
    }
}

/// Major and minor of `v22.18.0`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The flags with which a version of Node runs TypeScript, if it can: <https://nodejs.org/api/typescript.html>.
fn type_stripping(version: (u32, u32)) -> Option<&'static [&'static str]> {
    match version {
        (22, 18..) | (23, 6..) | (24.., _) => Some(&[]),
        (22, 6..) | (23, _) => Some(&["--experimental-strip-types"]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_strips_types_since_22() {
        let of = |text: &str| version(text).and_then(type_stripping);
        let flag = Some(&["--experimental-strip-types"][..]);
        assert_eq!(of("v20.20.2\n"), None);
        assert_eq!(of("v22.5.1"), None);
        assert_eq!(of("v22.6.0"), flag);
        assert_eq!(of("v22.17.1"), flag);
        assert_eq!(of("v22.18.0"), Some(&[][..]));
        assert_eq!(of("v23.5.0"), flag);
        assert_eq!(of("v23.6.0"), Some(&[][..]));
        assert_eq!(of("v24.0.0-nightly"), Some(&[][..]));
        assert_eq!(of("what?"), None);
    }
}
