//! `slist`, `sysinfos`: what the host has and uses.

use clap::Args;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Invocation, Verb};
use crate::{
    failure::Failure,
    host::{self, Metrics},
    render::pretty,
};

pub(super) const VERB: Verb = Verb {
    name: "slist",
    aliases: &["sysinfos"],
    about: "Show what the host has and uses",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Sysinfos {
    /// Draw a tree.
    #[arg(short, long)]
    tree: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Sysinfos { tree }) = invocation.read()?;
    let metrics = host::metrics();
    let failed = |error: serde_json::Error| Failure::Error(error.to_string());
    let text = if tree {
        drawn(&metrics).map_err(failed)?
    } else {
        let json = serde_json::to_vec(&Object(&metrics)).map_err(failed)?;
        pretty::pretty(&json).map_err(failed)?
    };
    context.out.data(format!("{text}\n").as_bytes());
    Ok(())
}

/// An object whose keys keep their order.
struct Object<'a>(&'a Metrics);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, metric) in self.0 {
            map.serialize_entry(name, metric)?;
        }
        map.end()
    }
}

fn drawn(metrics: &Metrics) -> serde_json::Result<String> {
    let mut lines = Vec::new();
    for (index, (name, metric)) in metrics.iter().enumerate() {
        let (knot, line) = if index + 1 == metrics.len() { ("└─", "  ") } else { ("├─", "│ ") };
        lines.push(format!("{knot} {name}"));
        let fields = serde_json::to_value(metric)?;
        for (knot, field) in [("├─", "value"), ("├─", "type"), ("├─", "unit"), ("└─", "historic")]
        {
            let text = match &fields[field] {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            lines.push(format!("{line} {knot} {field}: {text}"));
        }
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_has_a_branch_for_each_figure() {
        let metrics = host::metrics();
        let tree = drawn(&metrics).unwrap();
        assert_eq!(tree.lines().count(), metrics.len() * 5);
        assert!(tree.starts_with("├─ CPU Usage\n│  ├─ value: "), "{tree}");
        assert!(tree.contains("\n   └─ historic: true"), "{tree}");
    }
}
