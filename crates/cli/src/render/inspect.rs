//! Arrays as Node's `util.inspect` shows them: the form of PM2's lists of ids, which scripts read.

/// Above this many items, they stand in columns.
const ONE_LINE: usize = 6;
/// Above this many, the rest is counted.
const MOST: usize = 100;

/// `[ 0, 1 ]`, or lines of right-aligned columns.
pub(crate) fn array(items: &[String]) -> String {
    match items.len() {
        0 => "[]".to_owned(),
        length if length <= ONE_LINE => format!("[ {} ]", items.join(", ")),
        length => {
            let mut lines = columns(&items[..length.min(MOST)]);
            match length.saturating_sub(MOST) {
                0 => {}
                1 => lines.push("... 1 more item".to_owned()),
                more => lines.push(format!("... {more} more items")),
            }
            format!("[\n  {}\n]", lines.join(",\n  "))
        }
    }
}

/// The lines of an array in columns, by Node's arithmetic: it aims at a block that is 2.5 times as wide as high.
fn columns(items: &[String]) -> Vec<String> {
    const SEPARATOR: usize = 2;
    /// Letters in a line.
    const LINE: usize = 80;
    let widths: Vec<_> = items.iter().map(String::len).collect();
    let widest = widths.iter().max().copied().unwrap_or(0) + SEPARATOR;
    let total: usize = widths.iter().map(|width| width + SEPARATOR).sum();
    let count = items.len() as f64;
    let bias = (widest as f64 - total as f64 / count).sqrt();
    let biased = (widest as f64 - 3.0 - bias).max(1.0);
    let ideal = ((2.5 * biased * count).sqrt() / biased).round() as usize;
    let columns = ideal.min(LINE / widest).clamp(1, 12);
    let width_of = |column: usize| widths.iter().skip(column).step_by(columns).max().copied().unwrap_or(0);
    items
        .chunks(columns)
        .map(|line| {
            let cells = line.iter().enumerate().map(|(column, item)| format!("{item:>0$}", width_of(column)));
            cells.collect::<Vec<_>>().join(", ")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> String {
        array(&(0..count).map(|id| id.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn short_arrays_are_one_line() {
        assert_eq!(ids(0), "[]");
        assert_eq!(ids(2), "[ 0, 1 ]");
        assert_eq!(ids(6), "[ 0, 1, 2, 3, 4, 5 ]");
        assert_eq!(array(&["'7'".to_owned()]), "[ '7' ]");
    }

    /// The lines are what Node 20 prints.
    #[test]
    fn long_arrays_stand_in_columns() {
        insta::assert_snapshot!([7, 9, 13, 27, 101, 226].map(ids).join("\n"));
        let wide: Vec<_> = (0..10).map(|number| (number * 57).to_string()).collect();
        assert_eq!(array(&wide), "[\n    0,  57, 114, 171,\n  228, 285, 342, 399,\n  456, 513\n]");
    }
}
