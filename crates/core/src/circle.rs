//! Finding names that refer to each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

/// Names to those that they refer to.
pub type References<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// A way that leads back to where it begins, if there is one: `a`, `b`, `a`. A name that nothing is known of refers to
/// nobody.
pub fn find<'a>(references: &References<'a>) -> Option<Vec<&'a str>> {
    let mut done = BTreeSet::new();
    for &start in references.keys() {
        // Each name of the way with how many of its references were followed.
        let mut way = vec![(start, 0)];
        while let Some((name, followed)) = way.last_mut() {
            let next = references.get(name).and_then(|names| names.get(*followed)).copied();
            *followed += 1;
            let Some(next) = next else {
                done.insert(*name);
                way.pop();
                continue;
            };
            if let Some(at) = way.iter().position(|(passed, _)| *passed == next) {
                return Some(way[at..].iter().map(|(name, _)| *name).chain([next]).collect());
            }
            if !done.contains(next) {
                way.push((next, 0));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(references: &[(&'static str, &[&'static str])]) -> Option<Vec<&'static str>> {
        find(&references.iter().map(|(name, names)| (*name, names.to_vec())).collect())
    }

    #[test]
    fn a_circle_is_told_from_a_diamond() {
        assert_eq!(found(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &["x"])]), None);
        assert_eq!(found(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]), Some(vec!["b", "c", "b"]));
        assert_eq!(found(&[("a", &["a"])]), Some(vec!["a", "a"]));
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let names: Vec<String> = (0..20_000).map(|number| format!("{number:05}")).collect();
        let chain = names.windows(2).map(|pair| (pair[1].as_str(), vec![pair[0].as_str()]));
        assert_eq!(find(&chain.collect()), None);
    }
}
