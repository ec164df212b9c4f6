//! What a name that is not known was probably meant to be.

/// The candidate that differs from `word` by a slip of the hand, whatever the case of their letters.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognised_and_no_more() {
        let names = ["start", "stop", "describe", "autorestart"];
        for (word, meant) in [
            ("strat", Some("start")),
            ("STOPP", Some("stop")),
            ("desribe", Some("describe")),
            ("autorstrt", Some("autorestart")),
            ("st", None),
            ("frobnicate", None),
        ] {
            assert_eq!(nearest(word, names), meant, "{word}");
        }
    }
}
