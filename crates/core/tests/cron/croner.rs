//! Beside croner 4.1.97, PM2's library: `tests/fixtures/cron/croner.tsv`, made by `scripts/fixtures/croner.mjs`.
//!
//! Each answer must be croner's, or be explained by exactly one of the deliberate differences in `DIFFERENCES`.

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use rpm_core::cron::{CronError, Problem, Schedule, Zone};

const FIXTURE: &str = include_str!("../fixtures/cron/croner.tsv");

/// One question to croner, and its answer.
struct Question<'a> {
    expression: &'a str,
    zone: Tz,
    after: DateTime<Utc>,
    croner: Answer,
    ours: Result<Schedule, CronError>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Tick(DateTime<Utc>),
    Never,
    /// Accepted, and a field has no value.
    Empty,
    Refused,
}

/// Where we differ on purpose.
struct Difference {
    what: &'static str,
    /// Whether an answer that is not croner's is a case of it, and goes just as far as it says.
    explains: fn(&Question) -> bool,
}

const DIFFERENCES: [Difference; 8] = [
    Difference {
        what: "a time in a gap fires at its end; croner leaves the day out",
        explains: is_end_of_gap,
    },
    Difference {
        what: "a schedule of every hour goes on in an overlap; croner waits until it is over",
        explains: is_second_pass,
    },
    Difference {
        what: "asked in the second pass of an overlap, croner goes back to the first",
        explains: is_croner_in_the_past,
    },
    Difference {
        what: "a/n starts at a; in day of month and month croner starts at a + 1",
        explains: is_started_step,
    },
    Difference {
        what: "a day of week begins at its first tick; croner at the time of day it was asked at",
        explains: is_first_of_weekday,
    },
    Difference {
        what: "a month ends at its last day; croner counts on, 31 April being 1 May",
        explains: is_day_beyond_month,
    },
    Difference {
        what: "lists of ranges and steps, ranges to SUN and @ words are understood; croner refuses them",
        explains: is_beyond_croner,
    },
    Difference {
        what: "a misspelt value is refused; croner reads the digits it begins with, or nothing",
        explains: is_misspelt,
    },
];

#[test]
fn answers_are_croners_or_a_known_difference() {
    let questions: Vec<Question> = FIXTURE.lines().skip(1).flat_map(questions).collect();
    let mut seen = [0; DIFFERENCES.len()];
    let mut same = 0;
    let mut unexplained = Vec::new();
    for question in &questions {
        if question.is_same() {
            same += 1;
            continue;
        }
        let mut explanations =
            (0..DIFFERENCES.len()).filter(|&index| (DIFFERENCES[index].explains)(question));
        match (explanations.next(), explanations.next()) {
            (Some(index), None) => seen[index] += 1,
            _ => unexplained.push(question.to_string()),
        }
    }
    assert!(unexplained.is_empty(), "{} unexplained:\n{}", unexplained.len(), unexplained.join("\n"));
    assert!(same > 17_000, "the same: {same}");
    println!("{same} of {} answers are croner's", questions.len());
    for (Difference { what, .. }, seen) in DIFFERENCES.iter().zip(seen) {
        println!("{seen} times: {what}");
        assert!(seen >= 5, "the fixture no longer shows: {what} ({seen} times)");
    }
}

/// The questions of one line: each tick was asked from the one before.
fn questions(line: &str) -> Vec<Question<'_>> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [expression, zone, start, ref answers @ ..] = columns[..] else {
        panic!("a line of the fixture: {line}")
    };
    let start: i64 = start.parse().expect("an instant");
    let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("an instant");
    let ours = Schedule::parse(expression);
    let mut after = at(start);
    let mut questions = Vec::new();
    for answer in answers {
        let croner = match *answer {
            "refused" => Answer::Refused,
            "empty" => Answer::Empty,
            "never" => Answer::Never,
            seconds => Answer::Tick(at(start + seconds.parse::<i64>().expect("seconds"))),
        };
        let zone = zone.parse().expect("a zone");
        questions.push(Question { expression, zone, after, croner, ours: ours.clone() });
        if let Answer::Tick(tick) = croner {
            after = tick;
        }
    }
    questions
}

impl Question<'_> {
    fn is_same(&self) -> bool {
        match self.croner {
            Answer::Refused | Answer::Empty => self.ours.is_err(),
            Answer::Never => self.ours.is_ok() && self.our_tick().is_none(),
            Answer::Tick(tick) => self.our_tick() == Some(tick),
        }
    }

    fn our_tick(&self) -> Option<DateTime<Utc>> {
        self.our_tick_after(self.after)
    }

    fn our_tick_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.ours.as_ref().ok()?.next_after(after, self.our_zone())
    }

    fn our_zone(&self) -> Zone {
        self.zone.name().parse().expect("a zone")
    }

    fn is_ours(&self, tick: DateTime<Utc>) -> bool {
        self.our_tick_after(tick - chrono::Duration::seconds(1)) == Some(tick)
    }

    /// Whether our ticks from `first` on come to `last`, and those before it are all `extra`.
    fn is_ours_while(
        &self,
        first: DateTime<Utc>,
        last: DateTime<Utc>,
        extra: impl Fn(DateTime<Utc>) -> bool,
    ) -> bool {
        let mut ours = std::iter::successors(Some(first), |&tick| self.our_tick_after(tick));
        first < last && ours.find(|&tick| tick >= last || !extra(tick)) == Some(last)
    }

    /// Our tick, croner's tick.
    fn both(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        match self.croner {
            Answer::Tick(tick) => self.our_tick().map(|ours| (ours, tick)),
            _ => None,
        }
    }

    fn wall(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        instant.with_timezone(&self.zone).naive_local()
    }

    fn offset(&self, instant: DateTime<Utc>) -> i32 {
        self.zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc()
    }

    /// Whether the clock showed this time before.
    fn is_shown_again(&self, instant: DateTime<Utc>) -> bool {
        match self.zone.from_local_datetime(&self.wall(instant)) {
            MappedLocalTime::Ambiguous(_, latest) => latest == instant,
            _ => false,
        }
    }

    /// A field, counted from the end: 1 is the day of week.
    fn field(&self, from_end: usize) -> &str {
        self.expression.split_whitespace().rev().nth(from_end - 1).unwrap_or_default()
    }

    fn is_every_hour(&self) -> bool {
        matches!(self.field(4), "*" | "*/1")
    }
}

impl std::fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { expression, zone, after, croner, ours } = self;
        write!(f, "{expression:?} in {zone} after {after}: croner {croner:?}, we ")?;
        match ours {
            Ok(_) => write!(f, "{:?}", self.our_tick()),
            Err(error) => write!(f, "{error}"),
        }
    }
}

/// More ticks than croner on that day, the first at the instant of the jump; then on as croner does.
fn is_end_of_gap(question: &Question) -> bool {
    question.both().is_some_and(|(ours, croner)| {
        let a_second_before = ours - chrono::Duration::seconds(1);
        !question.is_every_hour()
            && question.offset(ours) > question.offset(a_second_before)
            && question
                .is_ours_while(ours, croner, |tick| question.wall(tick).date() == question.wall(ours).date())
    })
}

/// Ticks in the second pass only, and after them croner's.
fn is_second_pass(question: &Question) -> bool {
    question.both().is_some_and(|(ours, croner)| {
        question.is_every_hour() && question.is_ours_while(ours, croner, |tick| question.is_shown_again(tick))
    })
}

fn is_croner_in_the_past(question: &Question) -> bool {
    question.both().is_some_and(|(ours, croner)| {
        let in_second_pass = question.is_shown_again(ours);
        croner <= question.after
            && question.is_shown_again(question.after)
            && question.is_ours(croner)
            && (question.is_every_hour() || !in_second_pass)
    })
}

/// The a and n of `a/n`.
fn started(field: &str) -> Option<(u32, &str)> {
    let (start, step) = field.split_once('/')?;
    Some((start.parse().ok()?, step))
}

/// The same expression with a + 1 has croner's answer; past the end of the field, croner has no value at all.
fn is_started_step(question: &Question) -> bool {
    let with_next_start = |from_end: usize, max: u32| {
        let (start, step) = started(question.field(from_end))?;
        let start = start + 1;
        let mut fields: Vec<String> = question.expression.split_whitespace().map(Into::into).collect();
        let index = fields.len() - from_end;
        fields[index] = format!("{start}/{step}");
        Some((start <= max).then(|| fields.join(" ")))
    };
    match with_next_start(3, 31).or_else(|| with_next_start(2, 12)) {
        None => false,
        Some(None) => question.croner == Answer::Empty,
        Some(Some(expression)) => {
            let next = |schedule: Schedule| schedule.next_after(question.after, question.our_zone());
            question
                .both()
                .is_some_and(|(_, croner)| Schedule::parse(&expression).ok().and_then(next) == Some(croner))
        }
    }
}

/// The same day; ours is its first tick, and croner's another one, at the time of day that was asked from or later.
fn is_first_of_weekday(question: &Question) -> bool {
    question.both().is_some_and(|(ours, croner)| {
        let (our_wall, croner_wall) = (question.wall(ours), question.wall(croner));
        let midnight = our_wall.date().and_time(NaiveTime::MIN);
        let midnight = question.zone.from_local_datetime(&midnight).earliest();
        question.field(1) != "*"
            && our_wall.date() == croner_wall.date()
            && our_wall.date() > question.wall(question.after).date()
            && croner_wall.time() >= question.wall(question.after).time()
            && midnight.is_none_or(|midnight| {
                question.our_tick_after(midnight.to_utc() - chrono::Duration::seconds(1)) == Some(ours)
            })
            && question.is_ours(croner)
    })
}

/// The field has a day that the month lacks: croner takes that as a day of the next month, and goes on from there, or
/// even stays there though that month does not match.
fn is_day_beyond_month(question: &Question) -> bool {
    question.both().is_some_and(|(ours, croner)| {
        let last_day = u32::from(question.wall(question.after).num_days_in_month());
        let days = format!("0 0 {} 1 *", question.field(3));
        let last_of_january = Utc.with_ymd_and_hms(2024, 1, last_day, 0, 0, 0).single().expect("a day");
        let next = Schedule::parse(&days)
            .ok()
            .and_then(|days| days.next_after(last_of_january, "UTC".parse().expect("a zone")));
        let is_lacking = next.is_some_and(|next| next.year() == 2024);
        let is_ours = question.is_ours(croner);
        let skipped = question.wall(if is_ours { ours } else { croner });
        let is_plain = question.field(1) == "*" && started(question.field(2)).is_none();
        is_plain && is_lacking && skipped.day() <= 31 - last_day && (ours < croner) == is_ours
    })
}

fn is_beyond_croner(question: &Question) -> bool {
    let list_of_more = |field: &str| field.contains(',') && field.contains(['-', '/']);
    let ends_on_sunday = |field: &str| field.to_uppercase().ends_with("-SUN") || field.ends_with("-0");
    question.croner == Answer::Refused
        && question.ours.is_ok()
        && (question.expression.starts_with('@')
            || question.expression.split_whitespace().any(list_of_more)
            || ends_on_sunday(question.field(1)))
}

fn is_misspelt(question: &Question) -> bool {
    matches!(question.croner, Answer::Tick(_) | Answer::Never)
        && match question.ours.as_ref().map_err(|error| &error.problem) {
            Err(Problem::EmptyItem { .. }) => true,
            Err(Problem::NotAValue { text, .. } | Problem::Step { step: text, .. }) => text.contains('*'),
            _ => false,
        }
}
