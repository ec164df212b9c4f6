//! The order of the list: `--sort field[:asc|desc]`.

use std::cmp::Ordering;

use rpm_core::ProcessSummary;

type Order = fn(&ProcessSummary, &ProcessSummary) -> Ordering;

const FIELDS: &[(&str, Order)] = &[
    ("name", |a, b| a.name.cmp(&b.name)),
    ("namespace", |a, b| a.namespace.cmp(&b.namespace)),
    ("pid", |a, b| a.pid.cmp(&b.pid)),
    ("id", |a, b| a.id.cmp(&b.id)),
    ("cpu", |a, b| a.cpu.total_cmp(&b.cpu)),
    ("memory", |a, b| a.memory.cmp(&b.memory)),
    // As in PM2 by the moment of the start: the longest-running come first.
    ("uptime", |a, b| a.pm_uptime.cmp(&b.pm_uptime)),
    ("status", |a, b| a.status.as_str().cmp(b.status.as_str())),
];

/// Sorts by a field, and by name where the field is not known. Equals stay in the order of their ids.
pub(crate) fn sort(rows: &mut [ProcessSummary], by: Option<&str>) {
    let (field, direction) = by.map_or(("name", ""), |by| by.split_once(':').unwrap_or((by, "")));
    let known = FIELDS.iter().find(|(name, _)| *name == field);
    let order = known.map_or(FIELDS[0].1, |(_, order)| *order);
    let descending = known.is_some() && direction == "desc";
    rows.sort_by_key(|row| row.id);
    rows.sort_by(|a, b| if descending { order(b, a) } else { order(a, b) });
}

#[cfg(test)]
mod tests {
    use rpm_core::Status;

    use super::*;
    use crate::render::sample::row;

    fn sorted(by: Option<&str>) -> Vec<u32> {
        let mut rows = [
            row(3, "b", Status::Online),
            row(2, "c", Status::Stopped),
            row(1, "a", Status::Online),
            row(0, "b", Status::Errored),
        ];
        sort(&mut rows, by);
        rows.map(|row| row.id.0).to_vec()
    }

    #[test]
    fn by_name_unless_another_field_is_named() {
        assert_eq!(sorted(None), [1, 0, 3, 2]);
        assert_eq!(sorted(Some("name:desc")), [2, 0, 3, 1]);
        assert_eq!(sorted(Some("id")), [0, 1, 2, 3]);
        assert_eq!(sorted(Some("id:desc")), [3, 2, 1, 0]);
        assert_eq!(sorted(Some("status")), [0, 1, 3, 2]);
        assert_eq!(sorted(Some("pid:desc")), [3, 1, 0, 2]);
        assert_eq!(sorted(Some("nonsense:desc")), sorted(None));
    }
}
