//! The figures: what was measured of whom, and what is wanted of it.

use serde::Serialize;

use crate::subject::Kind;

/// What one row of the table is about.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) target: Target,
}

impl Measure {
    pub(crate) const fn seconds(name: &'static str, target: Target) -> Self {
        Self { name, unit: Unit::Seconds, target }
    }

    pub(crate) const fn bytes(name: &'static str, target: Target) -> Self {
        Self { name, unit: Unit::Bytes, target }
    }

    pub(crate) const fn count(name: &'static str, target: Target) -> Self {
        Self { name, unit: Unit::Count, target }
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    BytesPerSecond,
    Count,
}

/// What is wanted of rpm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// The figure is for information.
    None,
    /// At most so many times the floor.
    TimesFloor(f64),
    /// At least this share of the floor.
    ShareOfFloor(f64),
    /// At most this much.
    AtMost(f64),
    /// At least so many times what PM2 does.
    TimesPm2(f64),
    /// At most this share of what PM2 takes.
    ShareOfPm2(f64),
}

/// One row: what was measured of each.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) measure: Measure,
    /// In the order of [`Kind::ALL`]; empty where there is nothing to measure.
    samples: [Vec<f64>; 3],
}

impl Row {
    pub(crate) fn new(measure: Measure) -> Self {
        Self { measure, samples: Default::default() }
    }

    /// The median of what was measured of `kind`.
    pub(crate) fn median(&self, kind: Kind) -> Option<f64> {
        median(&self.samples[kind as usize])
    }

    /// The median of `above` as a multiple of that of `below`; none where that is no number.
    pub(crate) fn ratio(&self, above: Kind, below: Kind) -> Option<f64> {
        Some(self.median(above)? / self.median(below)?).filter(|ratio| ratio.is_finite())
    }

    /// Whether rpm is what is wanted of it.
    pub(crate) fn is_met(&self) -> Option<bool> {
        match self.measure.target {
            Target::None => None,
            Target::TimesFloor(limit) => Some(self.ratio(Kind::Rpm, Kind::Floor)? <= limit),
            Target::ShareOfFloor(limit) => Some(self.ratio(Kind::Rpm, Kind::Floor)? >= limit),
            Target::AtMost(limit) => Some(self.median(Kind::Rpm)? <= limit),
            Target::TimesPm2(limit) => Some(self.ratio(Kind::Rpm, Kind::Pm2)? >= limit),
            Target::ShareOfPm2(limit) => Some(self.ratio(Kind::Rpm, Kind::Pm2)? <= limit),
        }
    }
}

/// The figures of one number of processes.
#[derive(Debug, Serialize)]
pub(crate) struct Sheet {
    pub(crate) processes: usize,
    pub(crate) rows: Vec<Row>,
}

impl Sheet {
    /// One with these rows, in this order.
    pub(crate) fn new(processes: usize, measures: impl IntoIterator<Item = Measure>) -> Self {
        Self { processes, rows: measures.into_iter().map(Row::new).collect() }
    }

    /// Notes one sample.
    pub(crate) fn add(&mut self, measure: Measure, kind: Kind, value: f64) {
        let known = self.rows.iter().position(|row| row.measure.name == measure.name);
        let index = known.unwrap_or_else(|| {
            self.rows.push(Row::new(measure));
            self.rows.len() - 1
        });
        self.rows[index].samples[kind as usize].push(value);
    }

    /// The median of a measure.
    pub(crate) fn median(&self, measure: Measure, kind: Kind) -> Option<f64> {
        self.rows.iter().find(|row| row.measure.name == measure.name)?.median(kind)
    }
}

/// All that was found out in one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    /// What was measured: names with versions.
    pub(crate) subjects: Vec<String>,
    pub(crate) rounds: u32,
    pub(crate) idle_seconds: u64,
    pub(crate) sheets: Vec<Sheet>,
}

fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let above = *sorted.get(sorted.len() / 2)?;
    let below = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(below, above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    fn met(target: Target, floor: &[f64], rpm: &[f64]) -> Option<bool> {
        let measure = Measure { name: "start", unit: Unit::Seconds, target };
        let mut sheet = Sheet::new(3, [measure]);
        for (kind, samples) in [(Kind::Floor, floor), (Kind::Rpm, rpm)] {
            for &sample in samples {
                sheet.add(measure, kind, sample);
            }
        }
        assert_eq!(sheet.rows.len(), 1);
        sheet.rows[0].is_met()
    }

    #[test]
    fn targets_are_met_by_medians() {
        assert_eq!(met(Target::TimesFloor(1.5), &[2.0], &[1.0, 3.0, 9.0]), Some(true));
        assert_eq!(met(Target::TimesFloor(1.5), &[2.0], &[1.0, 3.1, 9.0]), Some(false));
        assert_eq!(met(Target::ShareOfFloor(0.95), &[100.0], &[95.0]), Some(true));
        assert_eq!(met(Target::ShareOfFloor(0.95), &[100.0], &[94.0]), Some(false));
        assert_eq!(met(Target::AtMost(0.0), &[], &[0.0]), Some(true));
        assert_eq!(met(Target::AtMost(0.0), &[], &[1.0]), Some(false));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        assert_eq!(met(Target::None, &[1.0], &[1.0]), None);
        assert_eq!(met(Target::TimesFloor(1.5), &[], &[1.0]), None);
        assert_eq!(met(Target::AtMost(1.0), &[1.0], &[]), None);
    }
}
