//! How long to wait after failures, and what to tell callers meanwhile.

use std::time::Duration;

use jobber_kernel::testing::run_paused;
use tokio::time::Instant;

use crate::action::recovery::{Recovery, StartFailure};
use crate::invocation::{FunctionError, Refusal};

fn engine() -> StartFailure {
    StartFailure::Engine("no image".into())
}

#[test]
fn the_wait_doubles_up_to_a_minute_and_never_by_more_than_its_jitter() {
    run_paused(async {
        let mut recovery = Recovery::new(7);
        assert_eq!(recovery.not_before(), None);
        let now = Instant::now();
        for failures in 0..100 {
            recovery.failed(engine(), now);
            let longest = Duration::from_secs(1 << failures.min(6)).min(Duration::from_secs(60));
            let wait = recovery.not_before().unwrap() - now;
            assert!(
                wait <= longest && wait >= longest.mul_f64(0.66),
                "{failures}: {wait:?}"
            );
            assert_eq!(recovery.failures(), failures + 1);
        }
        recovery.succeeded();
        assert_eq!((recovery.failures(), recovery.not_before()), (0, None));
    });
}

#[test]
fn a_function_that_can_not_be_loaded_refuses_at_once_and_an_engine_only_when_it_is_hopeless() {
    run_paused(async {
        let now = Instant::now();
        let mut recovery = Recovery::new(7);
        recovery.failed(StartFailure::Load(FunctionError::default()), now);
        assert!(matches!(recovery.refusal(now), Some(Refusal::LoadFailed(_))));
        assert_eq!(
            recovery.refusal(now + Duration::from_secs(2)),
            None,
            "the next try is due"
        );

        let mut recovery = Recovery::new(7);
        for _ in 0..2 {
            recovery.failed(engine(), now);
            assert_eq!(recovery.refusal(now), None, "callers wait");
        }
        recovery.failed(engine(), now);
        assert_eq!(recovery.refusal(now), Some(Refusal::NoRunner("no image".into())));
    });
}
