use insta::assert_snapshot;
use ratatui::{
    Terminal,
    backend::TestBackend,
    layout::Rect,
    style::{Modifier, Style},
    text::Line,
};
use rpm_core::{Persona, ProcessSummary};

use super::*;
use crate::{
    monit::{ansi, keys::Key, model::Event},
    render::sample::{NOW, info, row},
};

fn model(rows: Vec<ProcessSummary>, width: u16, height: u16) -> Model {
    let mut model = Model::new(Persona::Rpm, None, Rect::new(0, 0, width, height), NOW);
    let detail = rows.first().map(|row| {
        let mut process = info(row.id.0, &row.name, row.status);
        let told =
            serde_json::json!({ "Heap Size": { "value": 12.3, "unit": "MiB" }, "HTTP": { "value": 7 } });
        process.told.metrics = told.as_object().unwrap().clone();
        Box::new(process)
    });
    model.update(Event::Sampled { rows, detail, at: NOW });
    model
}

/// Three processes, one of them busy for a while and talking.
fn three(width: u16, height: u16) -> Model {
    let rows = || {
        vec![
            row(0, "api", Status::Online),
            row(1, "worker-with-a-long-name", Status::Stopped),
            row(2, "job\x1b[2J", Status::Errored),
        ]
    };
    let mut model = model(rows(), width, height);
    for n in 0..40 {
        let mut rows = rows();
        rows[0].cpu = n as f32 * 2.5;
        rows[0].memory.0 += n * 1_000_000;
        let detail = model.detail().cloned().map(Box::new);
        model.update(Event::Sampled { rows, detail, at: NOW });
    }
    let lines = [
        &b"listening on \x1b[32m3000\x1b[0m"[..],
        b"a long line that does not fit into a narrow pane and is broken, so that all of it can be read by whoever wants to read it",
        b"\x1b[2J\x1b[1;1Hdone",
    ];
    model.update(Event::Logged(lines.map(|line| ansi::line(line, Style::new())).to_vec()));
    model
}

fn many(width: u16, height: u16) -> Model {
    const STATUSES: [Status; 4] = [Status::Online, Status::Stopped, Status::Errored, Status::WaitingRestart];
    let rows = (0..226).map(|id| row(id, &format!("task-{id:03}"), STATUSES[id as usize % 4])).collect();
    model(rows, width, height)
}

fn drawn(model: &Model, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, NOW)).unwrap();
    terminal
}

fn shown(model: &Model, width: u16, height: u16) -> String {
    drawn(model, width, height).backend().to_string()
}

fn press(model: &mut Model, keys: &[Key]) {
    for key in keys {
        model.update(Event::Key(*key));
    }
}

#[test]
fn nothing_yet() {
    let model = Model::new(Persona::Pm2, None, Rect::new(0, 0, 80, 20), NOW);
    assert_snapshot!(shown(&model, 80, 20));
}

#[test]
fn no_processes() {
    assert_snapshot!(shown(&model(Vec::new(), 80, 24), 80, 24));
}

#[test]
fn no_processes_on_a_narrow_screen() {
    assert_snapshot!(shown(&model(Vec::new(), 60, 15), 60, 15));
}

#[test]
fn three_processes() {
    assert_snapshot!(shown(&three(80, 24), 80, 24));
}

#[test]
fn three_processes_on_a_wide_screen() {
    assert_snapshot!(shown(&three(160, 50), 160, 50));
}

#[test]
fn each_pane_on_a_narrow_screen() {
    let mut model = three(60, 15);
    for pane in Pane::ALL {
        assert_snapshot!(format!("narrow_{}", pane.title().to_lowercase()), shown(&model, 60, 15));
        press(&mut model, &[Key::Tab]);
    }
}

#[test]
fn a_zoomed_list_has_all_columns() {
    let mut model = three(160, 12);
    press(&mut model, &[Key::Char('z')]);
    assert_snapshot!(shown(&model, 160, 12));
}

#[test]
fn many_processes_on_a_wide_screen() {
    let mut model = many(160, 50);
    press(&mut model, &[Key::PageDown, Key::PageDown, Key::Down]);
    assert_snapshot!(shown(&model, 160, 50));
}

#[test]
fn many_processes_on_a_narrow_screen() {
    let mut model = many(60, 15);
    press(&mut model, &[Key::End]);
    assert_snapshot!(shown(&model, 60, 15));
}

#[test]
fn a_filter_being_typed() {
    let mut model = many(60, 15);
    press(&mut model, &[Key::Char('/'), Key::Char('1'), Key::Char('3')]);
    assert_snapshot!(shown(&model, 60, 15));
    press(&mut model, &[Key::Char('x')]);
    assert!(shown(&model, 60, 15).contains("none passes the filter"));
}

#[test]
fn a_question_and_the_help() {
    let mut model = three(80, 24);
    press(&mut model, &[Key::Char('d')]);
    assert!(shown(&model, 80, 24).contains("delete [api](0)?"));
    press(&mut model, &[Key::Escape, Key::Char('?')]);
    assert_snapshot!(shown(&model, 80, 24));
}

#[test]
fn a_daemon_that_went_or_hangs_is_told() {
    let mut model = three(80, 24);
    let late = |model: &Model| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(frame, model, NOW + 8_000)).unwrap();
        terminal.backend().to_string()
    };
    assert!(late(&model).contains("the daemon has not answered for 8s"), "{}", late(&model));
    model.update(Event::Unreachable("no daemon runs in /home/me/.rpm".to_owned()));
    let shown = late(&model);
    assert!(shown.contains("no daemon runs in /home/me/.rpm · trying again"), "{shown}");
    assert!(shown.contains("worker"), "what was known is still seen: {shown}");
}

#[test]
fn the_selected_row_is_seen_without_colours() {
    let model = three(80, 24);
    let terminal = drawn(&model, 80, 24);
    let buffer = terminal.backend().buffer();
    // Header, frame, headings: the rows begin below.
    let reversed: Vec<_> = (3..6).map(|y| buffer[(3, y)].modifier.contains(Modifier::REVERSED)).collect();
    assert_eq!(reversed, [true, false, false]);
}

#[test]
fn any_size_can_be_drawn() {
    let mut model = three(80, 24);
    for (width, height) in [(0, 0), (1, 1), (2, 3), (5, 60), (200, 2), (81, 21), (300, 100)] {
        model.update(Event::Resized(Rect::new(0, 0, width, height)));
        for _ in Pane::ALL {
            press(&mut model, &[Key::Tab, Key::PageDown, Key::Up]);
            // The model may not have heard of a new size yet.
            for (width, height) in [(width, height), (40, 10)] {
                drawn(&model, width, height);
            }
        }
        press(&mut model, &[Key::Char('?')]);
        drawn(&model, width, height);
        press(&mut model, &[Key::Escape]);
    }
}

#[test]
fn lines_that_scrolled_back_are_counted() {
    let mut model = three(160, 50);
    model.update(Event::Logged((0..100).map(|n| Line::from(n.to_string())).collect()));
    press(&mut model, &[Key::Tab, Key::PageUp]);
    let shown = shown(&model, 160, 50);
    assert!(shown.contains("more below"), "{shown}");
    assert!(!shown.contains("│99"), "{shown}");
}
