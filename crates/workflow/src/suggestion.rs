//! The end of a message about a name that is not known.

/// ` (did you mean x?)` with the candidate that was probably meant; nothing if there is none.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    rpm_core::suggestion::nearest(word, candidates)
        .map(|candidate| format!(" (did you mean {candidate}?)"))
        .unwrap_or_default()
}
