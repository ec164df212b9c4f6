//! The processes that are shown: their order, the filter, and which one is selected.

use rpm_core::{ProcessId, ProcessSummary};

use crate::render::sort;

/// The orders that a key goes through, in the words of `--sort`.
const ORDERS: &[&str] = &["id", "name", "cpu:desc", "memory:desc", "status", "uptime:desc"];

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

impl Step {
    /// The place that is this step from `place`, among `count`, where `page` of them are seen at once.
    pub(super) fn from(self, place: usize, count: usize, page: usize) -> usize {
        let last = count.saturating_sub(1);
        match self {
            Self::Up => place.saturating_sub(1),
            Self::Down => (place + 1).min(last),
            Self::PageUp => place.saturating_sub(page.max(1)),
            Self::PageDown => (place + page.max(1)).min(last),
            Self::First => 0,
            Self::Last => last,
        }
    }
}

/// The processes.
#[derive(Debug, Default)]
pub(super) struct List {
    /// All, in their order.
    rows: Vec<ProcessSummary>,
    /// Places in `rows` of those that pass the filter.
    shown: Vec<usize>,
    order: String,
    filter: String,
    selected: Option<ProcessId>,
    /// Where the selected one stands among those shown; its successor there is selected when it goes.
    place: usize,
    /// The first that is in view.
    top: usize,
}

impl List {
    /// A list in this order: one of `--sort`.
    pub(super) fn new(order: Option<&str>) -> Self {
        Self { order: order.unwrap_or(ORDERS[0]).to_owned(), ..Self::default() }
    }

    /// All processes, also those that the filter hides.
    pub(super) fn all(&self) -> &[ProcessSummary] {
        &self.rows
    }

    /// How many pass the filter.
    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    /// Those in view, where `height` fit.
    pub(super) fn in_view(&self, height: usize) -> impl Iterator<Item = &ProcessSummary> {
        self.shown.iter().skip(self.top).take(height).map(|place| &self.rows[*place])
    }

    /// The one that is selected; there is one unless none is shown.
    pub(super) fn selected(&self) -> Option<&ProcessSummary> {
        self.shown.get(self.place).map(|place| &self.rows[*place])
    }

    pub(super) fn order(&self) -> &str {
        &self.order
    }

    pub(super) fn filter(&self) -> &str {
        &self.filter
    }

    /// Takes the processes as they are now.
    pub(super) fn replace(&mut self, rows: Vec<ProcessSummary>) {
        self.rows = rows;
        self.arrange();
    }

    /// Shows only what has `filter` in its id, name, namespace or status, in any case of letters.
    pub(super) fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.arrange();
    }

    /// Goes on to the next order.
    pub(super) fn next_order(&mut self) {
        let now = ORDERS.iter().position(|order| *order == self.order);
        ORDERS[now.map_or(0, |now| (now + 1) % ORDERS.len())].clone_into(&mut self.order);
        self.arrange();
    }

    /// Selects another.
    pub(super) fn go(&mut self, step: Step, height: usize) {
        self.place = step.from(self.place, self.shown.len(), height);
        self.selected = self.selected().map(|row| row.id);
    }

    /// Brings the selected one into view, moving as little as possible.
    pub(super) fn reveal(&mut self, height: usize) {
        let lowest = (self.place + 1).saturating_sub(height.max(1));
        // No empty lines at the end while there is something above.
        let fullest = self.shown.len().saturating_sub(height);
        self.top = self.top.clamp(lowest, self.place.max(lowest)).min(fullest);
    }

    fn arrange(&mut self) {
        sort::sort(&mut self.rows, Some(&self.order));
        let filter = self.filter.to_lowercase();
        let passes = |row: &ProcessSummary| {
            filter.is_empty()
                || row.id.to_string() == filter
                || [&row.name, &row.namespace].iter().any(|text| text.to_lowercase().contains(&filter))
                || row.status.as_str().contains(&filter)
        };
        self.shown = (0..self.rows.len()).filter(|place| passes(&self.rows[*place])).collect();
        let is_selected = |place: &usize| Some(self.rows[*place].id) == self.selected;
        let found = self.shown.iter().position(is_selected);
        self.place = found.unwrap_or(self.place.min(self.shown.len().saturating_sub(1)));
        self.selected = self.selected().map(|row| row.id);
    }
}

#[cfg(test)]
mod tests {
    use rpm_core::Status;

    use super::*;
    use crate::render::sample::row;

    fn list(names: &[&str]) -> List {
        let mut list = List::new(None);
        list.replace(names.iter().zip(0..).map(|(name, id)| row(id, name, Status::Online)).collect());
        list
    }

    fn seen(list: &List, height: usize) -> Vec<u32> {
        list.in_view(height).map(|row| row.id.0).collect()
    }

    fn selected(list: &List) -> Option<u32> {
        list.selected().map(|row| row.id.0)
    }

    #[test]
    fn the_selection_stays_with_its_process() {
        let mut list = list(&["b", "c", "a"]);
        assert_eq!(selected(&list), Some(0));
        list.go(Step::Down, 10);
        list.next_order();
        assert_eq!((list.order(), seen(&list, 10), selected(&list)), ("name", vec![2, 0, 1], Some(1)));
        list.replace(vec![row(2, "a", Status::Online), row(1, "c", Status::Online)]);
        assert_eq!(selected(&list), Some(1));
    }

    #[test]
    fn the_neighbour_of_one_that_went_is_selected() {
        let mut list = list(&["a", "b", "c"]);
        list.go(Step::Last, 10);
        list.replace(vec![row(0, "a", Status::Online), row(1, "b", Status::Online)]);
        assert_eq!(selected(&list), Some(1));
        list.replace(Vec::new());
        assert_eq!(selected(&list), None);
        list.replace(vec![row(7, "z", Status::Online)]);
        assert_eq!(selected(&list), Some(7));
    }

    #[test]
    fn the_filter_looks_at_names_namespaces_states_and_whole_ids() {
        let mut list = list(&["web", "Worker", "api"]);
        let mut shown = |filter: &str| {
            list.set_filter(filter.to_owned());
            seen(&list, 10)
        };
        assert_eq!(shown("w"), [0, 1]);
        assert_eq!(shown("WORK"), [1]);
        assert_eq!(shown("default"), [0, 1, 2]);
        assert_eq!(shown("online"), [0, 1, 2]);
        assert_eq!(shown("2"), [2]);
        assert_eq!(shown("nothing"), [0_u32; 0]);
        assert_eq!(shown(""), [0, 1, 2]);
    }

    #[test]
    fn the_view_moves_only_when_it_must() {
        let mut list = list(&["x"; 20]);
        let mut view = |steps: &[Step], height: usize| {
            for step in steps {
                list.go(*step, height);
                list.reveal(height);
            }
            (list.top, selected(&list))
        };
        assert_eq!(view(&[Step::Down; 4], 5), (0, Some(4)));
        assert_eq!(view(&[Step::Down], 5), (1, Some(5)));
        assert_eq!(view(&[Step::Up; 4], 5), (1, Some(1)));
        assert_eq!(view(&[Step::Up], 5), (0, Some(0)));
        assert_eq!(view(&[Step::PageDown], 5), (1, Some(5)));
        assert_eq!(view(&[Step::Last], 5), (15, Some(19)));
        assert_eq!(view(&[Step::Down], 30), (0, Some(19)), "a larger window shows what is above");
        assert_eq!(view(&[Step::First], 0), (0, Some(0)));
    }
}
