//! What the instants of a schedule come to.

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::{LATE_TOLERANCE, MOST_CATCH_UP, Plan, lead, plan};
use crate::manifest::{CatchUp, Overlap};
use crate::ports::MissReason;
use crate::schedule::{CronExpression, Schedule};

fn schedule(cron: &str) -> Schedule {
    Schedule {
        cron: CronExpression::parse(cron).unwrap(),
        timezone: chrono_tz::Tz::UTC,
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn times(plan: &Plan) -> Vec<String> {
    plan.fires
        .iter()
        .map(|at| at.format("%H:%M:%S").to_string())
        .collect()
}

#[test]
fn what_is_due_fires_and_a_little_lateness_is_none() {
    let (handled, now) = (at("2026-01-01T10:00:00Z"), at("2026-01-01T10:01:03.5Z"));
    let plan = plan(
        &schedule("* * * * *"),
        CatchUp::None,
        handled,
        now,
        TimeDelta::zero(),
    );
    assert_eq!(times(&plan), ["10:01:00"]);
    assert_eq!((plan.missed, plan.handled), (None, now));
}

#[test]
fn an_instant_is_decided_about_before_it_is_due_if_nothing_that_happens_meanwhile_can_matter() {
    let handled = at("2026-01-01T10:00:00Z");
    let early = at("2026-01-01T10:00:59.6Z");
    let [allow, skip, queue] = [Overlap::Allow, Overlap::Skip, Overlap::Queue].map(|overlap| {
        let plan = plan(
            &schedule("* * * * *"),
            CatchUp::None,
            handled,
            early,
            lead(overlap),
        );
        (times(&plan), plan.handled)
    });
    assert_eq!(allow, (vec!["10:01:00".to_owned()], at("2026-01-01T10:01:00.1Z")));
    assert_eq!((&skip, &queue), (&(vec![], early), &(vec![], early)));
}

#[test]
fn missed_instants_are_counted_as_one_gap() {
    let (handled, now) = (at("2026-01-01T10:00:00Z"), at("2026-01-01T12:00:30Z"));
    let plan = plan(
        &schedule("*/10 * * * *"),
        CatchUp::None,
        handled,
        now,
        TimeDelta::zero(),
    );
    assert!(plan.fires.is_empty());
    let missed = plan.missed.unwrap();
    assert_eq!(
        (missed.instants, missed.uncounted, missed.reason),
        (12, false, MissReason::NotRunning)
    );
    assert_eq!(
        (missed.first, missed.last),
        (at("2026-01-01T10:10:00Z"), at("2026-01-01T12:00:00Z"))
    );
}

#[test]
fn the_last_or_the_latest_hundred_are_made_up_for() {
    let (handled, now) = (at("2026-01-01T10:00:00Z"), at("2026-01-02T10:00:30Z"));
    let last = plan(
        &schedule("* * * * *"),
        CatchUp::Last,
        handled,
        now,
        TimeDelta::zero(),
    );
    assert_eq!(times(&last), ["10:00:00"]);
    assert_eq!(last.missed.unwrap().instants, 1_439);
    let all = plan(
        &schedule("* * * * *"),
        CatchUp::All,
        handled,
        now,
        TimeDelta::zero(),
    );
    assert_eq!(all.fires.len(), MOST_CATCH_UP);
    assert_eq!(all.fires[99], at("2026-01-02T10:00:00Z"));
    let missed = all.missed.unwrap();
    assert_eq!(
        (missed.instants, missed.reason),
        (1_340, MissReason::BeyondCatchUp)
    );
    assert_eq!(missed.last + TimeDelta::minutes(1), all.fires[0]);
}

#[test]
fn a_very_long_gap_costs_little_and_says_that_it_was_not_counted() {
    let (handled, now) = (at("2016-01-01T00:00:00Z"), at("2026-01-01T00:00:30Z"));
    let plan = plan(
        &schedule("* * * * * *"),
        CatchUp::All,
        handled,
        now,
        TimeDelta::zero(),
    );
    let missed = plan.missed.unwrap();
    assert!(missed.uncounted && missed.instants == 10_000, "{missed:?}");
    assert_eq!(missed.first, at("2016-01-01T00:00:01Z"));
    assert_eq!(missed.last, now - LATE_TOLERANCE - TimeDelta::seconds(100));
    assert_eq!(plan.fires.len(), 100 + 10, "those made up for, and those on time");
}

#[test]
fn nothing_is_dealt_with_twice_and_nothing_left_out_however_often_it_is_looked() {
    let schedule = schedule("*/7 * * * * *");
    let begin = at("2026-01-01T00:00:00Z");
    let mut handled = begin;
    let mut fired = Vec::new();
    for (step, overlap) in [3, 9, 10, 1, 2, 8, 5, 10, 10, 4]
        .into_iter()
        .zip([Overlap::Allow, Overlap::Skip].into_iter().cycle())
    {
        let now = handled + TimeDelta::seconds(step);
        let plan = plan(&schedule, CatchUp::None, handled, now, lead(overlap));
        fired.extend(plan.fires);
        handled = plan.handled;
    }
    let all: Vec<_> = schedule.between(begin, handled).collect();
    assert_eq!(fired, all);
}
