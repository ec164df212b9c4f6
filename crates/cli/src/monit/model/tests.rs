use ratatui::layout::Rect;
use rpm_core::Status;

use super::*;
use crate::render::sample::{NOW, info, row};

const SCREEN: Rect = Rect::new(0, 0, 160, 50);

struct Case {
    model: Model,
}

impl Case {
    /// A screen on which these processes, numbered from 0, are shown.
    fn new(names: &[&str]) -> Self {
        let mut case = Self { model: Model::new(Persona::Rpm, None, SCREEN, NOW) };
        case.samples(names, None);
        case
    }

    fn samples(&mut self, names: &[&str], detail: Option<Box<ProcessInfo>>) -> Vec<Effect> {
        let rows = names.iter().zip(0..).map(|(name, id)| row(id, name, Status::Online)).collect();
        self.model.update(Event::Sampled { rows, detail, at: NOW })
    }

    fn key(&mut self, key: Key) -> Vec<Effect> {
        self.model.update(Event::Key(key))
    }

    fn types(&mut self, text: &str) -> Vec<Effect> {
        text.chars().flat_map(|c| self.key(Key::Char(c))).collect()
    }

    fn logs(&mut self, count: usize) {
        let lines = (0..count).map(|n| Line::from(n.to_string())).collect();
        assert!(self.model.update(Event::Logged(lines)).is_empty());
    }

    fn selected(&self) -> Option<u32> {
        self.model.selected().map(|id| id.0)
    }

    fn notice(&self) -> &str {
        self.model.notice.as_ref().map_or("", |notice| &notice.text)
    }
}

fn order(action: Action, id: u32, name: &str) -> Order {
    Order { action, process: id.into(), name: name.to_owned() }
}

fn paths(effects: &[Effect]) -> Vec<String> {
    let [Effect::Follow(sources)] = effects else { panic!("{effects:?}") };
    sources.iter().map(|source| source.path.display().to_string()).collect()
}

#[test]
fn the_files_of_the_selected_process_are_followed() {
    let mut case = Case::new(&["a", "b"]);
    let effects = case.samples(&["a", "b"], Some(Box::new(info(0, "a", Status::Online))));
    let logs = ["/home/me/.rpm/logs/a-error.log", "/home/me/.rpm/logs/a-out.log"];
    let mut found = paths(&effects);
    found.sort_unstable();
    assert_eq!(found, logs);
    case.logs(3);
    assert!(
        case.samples(&["a", "b"], Some(Box::new(info(0, "a", Status::Online)))).is_empty(),
        "nothing is new"
    );
    assert_eq!(case.model.log.len(), 3);

    assert_eq!(case.key(Key::Down), [Effect::Follow(Vec::new()), Effect::Ask]);
    assert_eq!((case.model.log.len(), case.model.detail()), (0, None));
    // An answer that was on its way is about the wrong one.
    assert!(case.samples(&["a", "b"], Some(Box::new(info(0, "a", Status::Online)))).is_empty());
    assert_eq!(case.model.detail(), None);
    assert_eq!(paths(&case.samples(&["a", "b"], Some(Box::new(info(1, "b", Status::Online))))).len(), 2);
}

#[test]
fn files_that_became_others_are_followed_anew() {
    let mut case = Case::new(&["a"]);
    case.samples(&["a"], Some(Box::new(info(0, "a", Status::Online))));
    case.logs(3);
    let effects = case.samples(&["a"], Some(Box::new(info(0, "renamed", Status::Online))));
    assert!(paths(&effects).contains(&"/home/me/.rpm/logs/renamed-out.log".to_owned()));
    assert_eq!(case.model.log.len(), 0);
}

#[test]
fn keys_act_on_the_selected_process() {
    let mut case = Case::new(&["a", "b"]);
    case.key(Key::Down);
    for (key, action) in
        [('r', Action::Restart), ('R', Action::Reload), ('s', Action::Stop), ('S', Action::Start)]
    {
        assert_eq!(case.types(&key.to_string()), [Effect::Act(order(action, 1, "b"))], "{key}");
    }
}

#[test]
fn what_is_being_done_is_not_done_twice() {
    let mut case = Case::new(&["a"]);
    let restart = order(Action::Restart, 0, "a");
    assert_eq!(case.types("rrr"), [Effect::Act(restart.clone())]);
    assert_eq!(case.notice(), "[a](0) restarting …");
    let effects = case.model.update(Event::Acted { order: restart.clone(), outcome: Ok(()) });
    assert_eq!((effects, case.notice()), (vec![Effect::Ask], "[a](0) restarted ✓"));
    assert_eq!(case.types("r"), [Effect::Act(restart.clone())]);
    case.model.update(Event::Acted { order: restart, outcome: Err("no \x1b[2Jscript".to_owned()) });
    assert_eq!(case.notice(), "[a](0) no \\u{1b}[2Jscript");
}

#[test]
fn a_delete_wants_a_yes() {
    let mut case = Case::new(&["a", "b"]);
    for no in [Key::Char('n'), Key::Enter, Key::Escape, Key::Char('d')] {
        assert!(case.types("d").is_empty());
        assert_eq!(case.model.mode, Mode::Confirm(order(Action::Delete, 0, "a")));
        assert!(case.key(no).is_empty());
        assert_eq!(case.model.mode, Mode::Browse);
    }
    assert!(case.types("d").is_empty());
    // The list may have changed in between: the one that was named is meant.
    case.model.update(Event::Sampled { rows: vec![row(1, "b", Status::Online)], detail: None, at: NOW });
    assert_eq!(case.types("y"), [Effect::Act(order(Action::Delete, 0, "a"))]);
}

#[test]
fn a_number_that_is_a_name_acts_on_nobody() {
    let mut case = Case::new(&["a", "0"]);
    assert!(case.types("r").is_empty());
    assert!(case.notice().contains("0 is also the name of an app"), "{}", case.notice());
    assert!(case.types("d").is_empty());
    assert_eq!(case.model.mode, Mode::Browse);
    case.key(Key::Down);
    assert_eq!(case.types("r"), [Effect::Act(order(Action::Restart, 1, "0"))]);
}

#[test]
fn without_processes_keys_do_nothing() {
    let mut case = Case::new(&[]);
    assert!(case.types("rRsSdjkgGlhlloz").is_empty());
    assert_eq!(case.model.mode, Mode::Browse);
}

#[test]
fn a_filter_is_typed_kept_and_cleared() {
    let mut case = Case::new(&["api", "quick", "web"]);
    let effects = case.types("/q");
    assert_eq!((case.selected(), effects.len()), (Some(1), 2), "q does not quit");
    case.key(Key::Enter);
    assert_eq!((case.model.list.filter(), &case.model.mode), ("q", &Mode::Browse));
    case.key(Key::Escape);
    assert_eq!((case.model.list.filter(), case.model.list.len()), ("", 3));
    assert_eq!(case.selected(), Some(1), "the selection stays");
    case.types("/web");
    case.key(Key::Backspace);
    assert_eq!(case.model.list.filter(), "we");
    case.key(Key::Erase);
    assert_eq!((case.model.list.filter(), &case.model.mode), ("", &Mode::Filter));
    case.key(Key::Backspace);
    assert_eq!(case.model.mode, Mode::Browse);
    case.types("/nothing");
    assert_eq!(case.selected(), None);
    case.key(Key::Escape);
    assert_eq!((case.model.list.len(), &case.model.mode), (3, &Mode::Browse));
}

#[test]
fn what_was_opened_last_is_closed_first() {
    let mut case = Case::new(&["a"]);
    case.types("/a");
    case.key(Key::Enter);
    case.types("z?");
    for _ in 0..3 {
        assert!(!case.key(Key::Escape).contains(&Effect::Quit));
    }
    assert!(!case.model.zoomed && case.model.list.filter().is_empty() && case.model.mode == Mode::Browse);
    assert_eq!(case.key(Key::Escape), [Effect::Quit]);
    assert_eq!(case.types("q"), [Effect::Quit]);
    case.types("/");
    assert_eq!(case.key(Key::Interrupt), [Effect::Quit], "whatever is open");
}

#[test]
fn panes_follow_each_other() {
    let mut case = Case::new(&["a"]);
    let mut focus = |key| {
        case.key(key);
        case.model.focus
    };
    assert_eq!(focus(Key::Tab), Pane::Logs);
    assert_eq!(focus(Key::Char('l')), Pane::Usage);
    assert_eq!(focus(Key::Left), Pane::Logs);
    assert_eq!(focus(Key::Char('h')), Pane::Processes);
    assert_eq!(focus(Key::BackTab), Pane::Metadata);
    assert_eq!(focus(Key::Right), Pane::Processes);
}

#[test]
fn logs_scroll_back_and_hold_still() {
    let mut case = Case::new(&["a"]);
    case.logs(100);
    case.key(Key::Tab);
    case.key(Key::Up);
    case.key(Key::Up);
    assert_eq!(case.model.log.back(), 2);
    case.logs(5);
    assert_eq!(case.model.log.back(), 7);
    case.key(Key::Home);
    assert_eq!(case.model.log.back(), 104);
    case.key(Key::PageUp);
    case.key(Key::PageDown);
    assert_eq!(case.model.log.back(), 104 - case.model.height(Pane::Logs));
    case.key(Key::End);
    assert_eq!(case.model.log.back(), 0);
    assert_eq!(case.selected(), Some(0));
}

#[test]
fn metadata_scrolls_as_far_as_there_is_more() {
    let mut case = Case::new(&["a", "b"]);
    case.samples(&["a", "b"], Some(Box::new(info(0, "a", Status::Online))));
    case.key(Key::BackTab);
    case.key(Key::End);
    let inside = case.model.panes().inside(Pane::Metadata);
    let lines = sheet::lines(&case.model.metadata(NOW), usize::from(inside.width)).len();
    assert_eq!(case.model.metadata_top, lines - usize::from(inside.height));
    case.key(Key::Down);
    assert_eq!(case.model.metadata_top, lines - usize::from(inside.height));
    case.key(Key::Home);
    case.key(Key::Up);
    assert_eq!(case.model.metadata_top, 0);
    case.key(Key::Tab);
    case.key(Key::Down);
    assert_eq!(case.model.metadata_top, 0);
}

#[test]
fn a_daemon_that_went_leaves_what_was_known() {
    let mut case = Case::new(&["a"]);
    case.model.update(Event::Unreachable("gone".to_owned()));
    assert_eq!((&case.model.link, case.selected()), (&Link::Down("gone".to_owned()), Some(0)));
    case.samples(&["a", "b"], None);
    assert_eq!((&case.model.link, case.model.list.len()), (&Link::Up, 2));
}

#[test]
fn metrics_have_their_units() {
    let mut process = info(0, "a", Status::Online);
    let told = serde_json::json!({
        "Heap Size": { "value": "12.3", "unit": "MiB", "type": "x" },
        "Requests": { "value": 7, "unit": "" },
        "\x1b[2J": { "value": [1, "\x1b"] },
        "bare": "text",
    });
    process.told.metrics = told.as_object().unwrap().clone();
    let mut case = Case::new(&["a"]);
    case.samples(&["a"], Some(Box::new(process)));
    let mut metrics: Vec<_> =
        case.model.metrics().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    metrics.sort_unstable();
    assert_eq!(metrics, ["Heap Size=12.3 MiB", "Requests=7", "\\u{1b}[2J=[1,\"\\u001b\"]", "bare=text"]);
}
