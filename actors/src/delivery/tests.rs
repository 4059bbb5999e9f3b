//! What an attempt comes to.

use std::time::Duration;

use super::policy::{AttemptEnd, MAX_LOSSES, Next, decide};
use super::room::room;
use crate::domain::JobId;
use crate::invocation::{FunctionError, LostReason, Outcome, Refusal, TimeoutPhase};
use crate::manifest::RetryPolicy;
use crate::ports::{RunnerExit, Tries};

fn policy(max: u32) -> RetryPolicy {
    RetryPolicy {
        max,
        backoff: Duration::from_secs(10),
    }
}

fn failed() -> Outcome {
    Outcome::Failed(FunctionError {
        name: "TypeError".into(),
        message: "no such thing".into(),
        ..FunctionError::default()
    })
}

fn tries(failed: u32, lost: u32) -> Tries {
    Tries { failed, lost }
}

fn after(policy: &RetryPolicy, before: Tries, outcome: Outcome, chance: f64) -> Next {
    decide(policy, before, AttemptEnd::of(outcome), chance)
}

#[test]
fn a_failure_is_tried_again_as_often_as_the_package_says_and_each_time_later() {
    let mut waits = Vec::new();
    let mut before = Tries::default();
    loop {
        match after(&policy(4), before, failed(), 0.5) {
            Next::Retry {
                after,
                tries,
                failure,
            } => {
                assert_eq!(failure.message, "TypeError: no such thing");
                waits.push(after.as_secs());
                before = tries;
            }
            Next::Dead { tries, .. } => {
                assert_eq!(tries.failed, 5);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waits, [10, 20, 40, 80]);
    assert!(matches!(
        after(&policy(0), Tries::default(), failed(), 0.5),
        Next::Dead { .. }
    ));
}

#[test]
fn waits_have_jitter_and_a_longest_one() {
    let wait = |before, chance| match after(&policy(100), before, failed(), chance) {
        Next::Retry { after, .. } => after.as_secs_f64(),
        other => panic!("{other:?}"),
    };
    assert!((wait(Tries::default(), 0.0) - 8.0).abs() < 1e-6);
    assert!((wait(Tries::default(), 1.0) - 12.0).abs() < 1e-6);
    assert!((wait(tries(99, 0), 0.5) - 86_400.0).abs() < 1e-3);
}

#[test]
fn a_lost_runner_is_no_failure_but_not_for_ever() {
    let lost = || {
        Outcome::Lost(LostReason::RunnerExited {
            exit: RunnerExit {
                code: Some(3),
                ..RunnerExit::default()
            },
        })
    };
    let mut before = tries(0, 0);
    for _ in 0..MAX_LOSSES {
        match after(&policy(0), before, lost(), 0.5) {
            Next::Retry { tries, failure, .. } => {
                assert_eq!(tries.failed, 0);
                assert!(failure.message.contains("code 3"), "{failure:?}");
                before = tries;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        after(&policy(100), before, lost(), 0.5),
        Next::Dead { .. }
    ));
}

#[test]
fn what_was_not_run_is_no_attempt() {
    let not_run = [
        Outcome::Refused(Refusal::QueueFull { limit: 1 }),
        Outcome::Refused(Refusal::ShuttingDown),
        Outcome::Refused(Refusal::NoRunner("no image".into())),
        Outcome::Refused(Refusal::LoadFailed(FunctionError::default())),
        Outcome::TimedOut {
            phase: TimeoutPhase::Queue,
            after: Duration::from_secs(1),
        },
    ];
    for outcome in not_run {
        let said = format!("{outcome:?}");
        assert!(
            matches!(
                after(&policy(0), Tries::default(), outcome, 0.5),
                Next::Postpone(_)
            ),
            "{said}"
        );
    }
    let too_long = Outcome::TimedOut {
        phase: TimeoutPhase::Handler,
        after: Duration::from_secs(60),
    };
    assert!(matches!(
        after(&policy(0), Tries::default(), too_long, 0.5),
        Next::Dead { .. }
    ));
    let never = after(
        &policy(9),
        Tries::default(),
        Outcome::Refused(Refusal::HeadTooLarge),
        0.5,
    );
    assert!(matches!(never, Next::Dead { .. }), "{never:?}");
    assert_eq!(
        after(&policy(9), Tries::default(), Outcome::Settled, 0.5),
        Next::Nothing
    );
}

#[test]
fn a_job_is_given_what_it_can_take_and_less_where_there_are_many() {
    let (one, two) = (JobId::generate(), JobId::generate());
    let given = |jobs| {
        room(jobs)
            .iter()
            .map(|room| (room.job, room.deliveries))
            .collect::<Vec<_>>()
    };
    assert_eq!(given(vec![(one, 0), (two, 5)]), [(two, 5)]);
    assert_eq!(given(vec![(one, 1_000)]), [(one, 200)]);
    let many = (0..1_000).map(|_| (JobId::generate(), 1_000)).collect();
    assert!(given(many).iter().all(|(_, deliveries)| *deliveries == 8));
}
