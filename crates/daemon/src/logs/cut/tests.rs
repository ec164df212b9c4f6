use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::Command,
};

use proptest::prelude::*;

use super::*;

thread_local! {
    /// Where this test's daemon dies.
    static DEATH: Cell<Option<Step>> = const { Cell::new(None) };
}

pub(super) fn reached(step: Step) {
    assert_ne!(DEATH.get(), Some(step), "the daemon dies");
}

const BLOCK: u64 = 4096;

fn log(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log");
    fs::write(&path, content).unwrap();
    (directory, path)
}

fn plan(directory: &Path) -> PathBuf {
    directory.join("plan")
}

fn place(content: &[u8]) -> Option<Place> {
    let (_directory, path) = log(content);
    find_place(&File::open(path).unwrap(), content.len() as u64, BLOCK).unwrap()
}

#[test]
fn it_is_cut_at_the_end_of_a_line() {
    let lines =
        |length: usize, count: usize| format!("{}\n", "x".repeat(length - 1)).repeat(count).into_bytes();
    // Less than a block, and just one: something must stay.
    assert_eq!(place(&lines(100, 40)), None);
    assert_eq!(place(&lines(64, 64)), None);
    assert_eq!(place(&lines(64, 65)), Some(Place { blocks: 4096, whole: 4096 }));
    assert_eq!(place(&lines(100, 41)), Some(Place { blocks: 4096, whole: 4100 }));
    // The last line is not finished: a block earlier.
    let mut content = lines(100, 82);
    content.extend_from_slice(&[b'y'; 50]);
    assert_eq!(place(&content), Some(Place { blocks: 8192, whole: 8200 }));
    content.truncate(8193);
    assert_eq!(place(&content), Some(Place { blocks: 4096, whole: 4100 }));
    // No line at all.
    assert_eq!(place(&[b'z'; 9000]), Some(Place { blocks: 8192, whole: 8192 }));
}

/// The lines of the archives in order and then of the log, blank ones left out.
fn all_lines(directory: &Path, archives: usize) -> Vec<String> {
    let names = (0..archives).map(|number| format!("a__{number}.log")).chain(["a.log".to_owned()]);
    let texts = names.filter_map(|name| fs::read_to_string(directory.join(name)).ok());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| !line.trim().is_empty())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_line_is_whole_and_there_once(rounds in proptest::collection::vec(
        proptest::collection::vec(1usize..3000, 0..12), 1..6)
    ) {
        let (directory, path) = log(b"");
        let mut written = Vec::new();
        for (number, lengths) in rounds.iter().enumerate() {
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            for length in lengths {
                let line = format!("{}:{}", written.len(), "x".repeat(*length));
                writeln!(file, "{line}").unwrap();
                written.push(line);
            }
            rotate(&path, &directory.path().join(format!("a__{number}.log")), &plan(directory.path())).unwrap();
        }
        prop_assert_eq!(all_lines(directory.path(), rounds.len()), written);
    }
}

#[test]
fn a_writer_loses_nothing() {
    let (directory, path) = log(b"");
    // It writes until there were enough rotations, however long each takes.
    let script = "i=0; until [ -e \"$1.enough\" ]; do i=$((i+1)); echo line $i; done >> \"$1\"; echo $i > \"$1.count\"";
    let mut writer = Command::new("sh").args(["-c", script, "sh"]).arg(&path).spawn().unwrap();
    let beside = |suffix: &str| directory.path().join(format!("a.log.{suffix}"));
    let mut archives = 0;
    while archives < 20 {
        assert!(writer.try_wait().unwrap().is_none(), "it has ended after {archives} rotations");
        let archive = directory.path().join(format!("a__{archives}.log"));
        if fs::metadata(&path).unwrap().len() > 20_000
            && rotate(&path, &archive, &plan(directory.path())).unwrap()
        {
            archives += 1;
        }
    }
    fs::write(beside("enough"), "").unwrap();
    assert!(writer.wait().unwrap().success());
    let count: usize = fs::read_to_string(beside("count")).unwrap().trim().parse().unwrap();
    let expected: Vec<_> = (1..=count).map(|number| format!("line {number}")).collect();
    assert!(all_lines(directory.path(), archives) == expected);
}

#[test]
fn lines_after_an_emptying_are_not_taken_for_blanks() {
    let (directory, path) = log(format!("{}\n", "x".repeat(99)).repeat(50).as_bytes());
    rotate(&path, &directory.path().join("a__0.log"), &plan(directory.path())).unwrap();
    assert_eq!(read_mark(&File::open(&path).unwrap()).blank, 4);
    fs::write(&path, "y\n".repeat(3000)).unwrap();
    rotate(&path, &directory.path().join("a__1.log"), &plan(directory.path())).unwrap();
    fs::remove_file(directory.path().join("a__0.log")).unwrap();
    assert_eq!(all_lines(directory.path(), 2).len(), 3000);
}

const ALL: [Step; 7] =
    [Step::Copied, Step::Planned, Step::Marked, Step::Cut, Step::Blanked, Step::Returned, Step::Named];

/// What there is to see of a directory: no plan, no copy without a name.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "never")
        .collect();
    names.sort();
    names
}

/// An app writes lines, something is done to its log, the daemon dies at each step of that, the app writes on, and the
/// next daemon repairs: gives each directory with what was written.
fn die_at_each_step(
    lines: usize,
    line: impl Fn(usize) -> String,
    act: impl Fn(&Path) -> io::Result<()>,
    check: impl Fn(&Path, &[String], Step),
) {
    // On a file system that can cut, and on one that cannot.
    for parent in [std::env::temp_dir(), "/dev/shm".into()] {
        for step in ALL {
            let directory = tempfile::tempdir_in(&parent).unwrap();
            let directory = directory.path();
            let mut app = OpenOptions::new().append(true).create(true).open(directory.join("a.log")).unwrap();
            let written: Vec<_> = (0..lines + 100).map(&line).collect();
            for line in &written[..lines] {
                writeln!(app, "{line}").unwrap();
            }
            DEATH.set(Some(step));
            let death = catch_unwind(AssertUnwindSafe(|| act(directory)));
            DEATH.set(None);
            assert!(death.is_err(), "{step:?} is not reached");
            for line in &written[lines..] {
                writeln!(app, "{line}").unwrap();
            }
            for _ in 0..2 {
                repair(&plan(directory)).unwrap();
            }
            // A copy that no plan tells of is overwritten by the next one.
            if step == Step::Copied {
                act(directory).unwrap();
            }
            check(directory, &written, step);
        }
    }
}

#[test]
fn a_rotation_that_was_broken_off_is_finished_or_taken_back() {
    let numbered = |number: usize| format!("line {number}");
    // Where the log looks the same before and after the cut.
    let same = |_| "0123456789abcde".to_owned();
    for line in [&numbered as &dyn Fn(usize) -> String, &same] {
        let rotate = |directory: &Path| {
            let done = rotate(&directory.join("a.log"), &directory.join("a__0.log"), &plan(directory));
            done.map(|_| ())
        };
        die_at_each_step(2000, line, rotate, |directory, written, step| {
            assert!(all_lines(directory, 1) == written, "{step:?} {}", directory.display());
            let expected: &[_] = match step {
                Step::Planned | Step::Marked => &["a.log"],
                _ => &["a.log", "a__0.log"],
            };
            assert_eq!(names(directory), expected, "{step:?}");
        });
    }
}

#[test]
fn a_log_that_gets_its_name_back_has_each_line_once() {
    // Less than a block, and more.
    for lines in [50, 2000] {
        let act = |directory: &Path| {
            let (log, moved) = (directory.join("a.log"), directory.join("a.log.1"));
            if !moved.exists() {
                fs::rename(&log, &moved)?;
            }
            move_back(&moved, &log, &plan(directory), || Ok(()))
        };
        die_at_each_step(
            lines,
            |number| format!("line {number}"),
            act,
            |directory, written, step| {
                // What was taken back is done again by the next one who asks.
                if !directory.join("a.log").exists() {
                    act(directory).unwrap();
                }
                assert_eq!(names(directory), ["a.log", "a.log.1"], "{step:?}");
                let text = |name| fs::read_to_string(directory.join(name)).unwrap();
                let moved: Vec<_> = text("a.log.1").lines().map(str::to_owned).collect();
                let log = text("a.log");
                let log = log.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned);
                assert!(moved.len() >= lines, "{step:?}: what was there before is in the moved file");
                assert!(moved.into_iter().chain(log).eq(written.iter().cloned()), "{step:?}");
            },
        );
    }
}

#[test]
fn a_plan_for_a_log_that_is_gone_keeps_the_copy() {
    let (directory, path) = log("y\n".repeat(9000).as_bytes());
    DEATH.set(Some(Step::Cut));
    let archive = directory.path().join("a__0.log");
    let death = catch_unwind(AssertUnwindSafe(|| rotate(&path, &archive, &plan(directory.path()))));
    DEATH.set(None);
    assert!(death.is_err());
    fs::remove_file(&path).unwrap();
    repair(&plan(directory.path())).unwrap();
    assert_eq!(names(directory.path()), ["a__0.log"]);
}
