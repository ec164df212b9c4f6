//! Whether a version is the one that was asked for, in the sense of the `setup-*` actions.

/// The numbers of a version.
type Numbers = Vec<u64>;

/// The first version in a text such as `Python 3.11.7` or `go version go1.22.1 linux/amd64`.
pub(super) fn find(text: &str) -> Option<String> {
    let begins = text.char_indices().find_map(|(at, c)| {
        let is_inside = text[..at].ends_with(|c: char| c.is_ascii_digit() || c == '.');
        let end = text[at..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len() - at);
        let word = text[at..at + end].trim_end_matches('.');
        (c.is_ascii_digit() && !is_inside && word.contains('.')).then(|| word.to_owned())
    });
    begins.or_else(|| {
        let digits = |c: char| c.is_ascii_digit();
        let at = text.find(digits)?;
        let rest = &text[at..];
        Some(rest[..rest.find(|c| !digits(c)).unwrap_or(rest.len())].to_owned())
    })
}

/// Whether `found` is what `wanted` asks for: nothing or a word such as `lts/*` takes any, `20` any 20, `20.1` any
/// 20.1, and ranges are npm's (`^20.1`, `~20.1`, `>=18 <21`, `18.x`, `18 || 20`).
///
/// None if it is no version that we know.
pub(super) fn satisfies(found: &str, wanted: &str) -> Option<bool> {
    let found = numbers(found)?;
    let mut is_satisfied = false;
    for range in wanted.split("||") {
        is_satisfied |= range_holds(&found, range.trim())?;
    }
    Some(is_satisfied)
}

/// Words that take whatever is there.
const ANY: &[&str] =
    &["", "*", "x", "latest", "lts", "lts/*", "lts/-1", "stable", "node", "current", "oldstable", "default"];

fn range_holds(found: &Numbers, range: &str) -> Option<bool> {
    if ANY.contains(&range) {
        return Some(true);
    }
    if let Some((least, most)) = range.split_once(" - ") {
        return Some(compare(found, ">=", least)? && compare(found, "<=", most)?);
    }
    let mut all = true;
    let mut sign = "";
    for word in range.split([' ', ',']).filter(|word| !word.is_empty()) {
        let digits = word.trim_start_matches(['<', '>', '=', '^', '~', 'v']);
        let own = word[..word.len() - digits.len()].trim_end_matches('v');
        if digits.is_empty() {
            sign = own;
            continue;
        }
        all &= compare(found, if own.is_empty() { sign } else { own }, digits)?;
        sign = "";
    }
    Some(all)
}

fn compare(found: &Numbers, sign: &str, wanted: &str) -> Option<bool> {
    let wanted = numbers(wanted)?;
    let padded =
        |numbers: &Numbers| (0..3).map(|at| numbers.get(at).copied().unwrap_or(0)).collect::<Vec<_>>();
    let (own, least) = (padded(found), padded(&wanted));
    let begins = |count: usize| own.iter().zip(&least).take(count).all(|(own, wanted)| own == wanted);
    Some(match sign {
        ">" => own > least && !begins(wanted.len()),
        ">=" => own >= least,
        "<" => own < least,
        "<=" => own <= least || begins(wanted.len()),
        "^" => {
            // Up to the first number that is not 0.
            let fixed = least.iter().position(|number| *number > 0).unwrap_or(2) + 1;
            own >= least && begins(fixed.min(wanted.len()))
        }
        "~" => own >= least && begins(wanted.len().min(2)),
        "" | "=" => begins(wanted.len()),
        _ => return None,
    })
}

/// The numbers of `1.2.3`, `v1.2`, `1.x` and `1.2.3-beta`.
fn numbers(text: &str) -> Option<Numbers> {
    let text = text.trim().trim_start_matches('v');
    let text = text.split(['-', '+']).next()?;
    let mut numbers = Vec::new();
    for part in text.split('.') {
        if ["x", "X", "*"].contains(&part) {
            break;
        }
        numbers.push(part.parse().ok()?);
    }
    Some(numbers).filter(|numbers| !numbers.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (text, version) in [
            ("v20.20.2\n", "20.20.2"),
            ("Python 3.11.7", "3.11.7"),
            ("go version go1.22.1 linux/amd64", "1.22.1"),
            ("openjdk 17.0.15 2025-04-15", "17.0.15"),
            ("openjdk version \"1.8.0_392\"", "1.8.0"),
            ("rustc 1.95.0 (f2d3ce0bd 2026-03-21)", "1.95.0"),
            ("ruby 3.1.2p20 (2022-04-12 revision 4491bb740a)", "3.1.2"),
            ("java 21", "21"),
        ] {
            assert_eq!(find(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(find("nothing"), None);
    }

    #[test]
    fn wishes_are_those_of_the_setup_actions() {
        for (found, wanted, is_satisfied) in [
            ("20.20.2", "20", Some(true)),
            ("20.20.2", "20.x", Some(true)),
            ("20.20.2", "v20.20.2", Some(true)),
            ("20.20.2", "20.1", Some(false)),
            ("20.20.2", "18", Some(false)),
            ("20.20.2", "^20.1", Some(true)),
            ("20.20.2", "~20.1", Some(false)),
            ("20.20.2", ">=18", Some(true)),
            ("20.20.2", ">= 18 < 20", Some(false)),
            ("20.20.2", ">20", Some(false)),
            ("20.20.2", "<=20", Some(true)),
            ("20.20.2", "16 || 18 || 20", Some(true)),
            ("20.20.2", "18 - 20", Some(true)),
            ("20.20.2", "lts/*", Some(true)),
            ("20.20.2", "", Some(true)),
            ("0.3.1", "^0.2", Some(false)),
            ("3.11.7", "3.11", Some(true)),
            ("3.11.7", "3.1", Some(false)),
            ("20.20.2", "lts/hydrogen", None),
            ("20.20.2", "!20", None),
        ] {
            assert_eq!(satisfies(found, wanted), is_satisfied, "{found} {wanted}");
        }
    }
}
