//! How many runners there are, over time.

use jobber_kernel::testing::run_paused;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{hello, seconds, status};
use crate::testing::TestTree;

#[test]
fn runners_come_with_the_load_up_to_the_maximum_and_go_when_they_are_idle() {
    run_paused(async {
        let tree = TestTree::start();
        let action = json!({
            "runnerAsynchronous": false, "runnerMinCount": 1, "runnerMaxCount": 4, "runnerMaxIdleAge": 20,
        });
        tree.serve(&hello().action(action)).await;
        let calls: Vec<_> = (0..12)
            .map(|_| tree.send("/hello/wait/2000").expect("admitted"))
            .collect();
        for call in calls {
            assert_eq!(status(&call.outcome().await), 200);
        }
        assert_eq!(tree.engine.counts().most, 4);
        let began = Instant::now();
        tree.until(|| tree.engine.counts().live == 1).await;
        assert!(
            (seconds(15)..seconds(30)).contains(&began.elapsed()),
            "{:?}",
            began.elapsed()
        );
        tree.shut_down().await;
    });
}

#[test]
fn a_function_scales_to_zero_and_back() {
    run_paused(async {
        let tree = TestTree::start();
        let action = json!({ "runnerMinCount": 0, "runnerMaxIdleAge": 10 });
        tree.serve(&hello().action(action)).await;
        sleep(seconds(60)).await;
        assert_eq!(tree.engine.counts().asked, 0, "nobody called");
        for round in 1..=3 {
            assert_eq!(tree.get("/hello/x").await, "hello");
            assert_eq!(tree.engine.counts().asked, round);
            tree.until(|| tree.engine.counts().live == 0).await;
        }
        tree.shut_down().await;
    });
}

#[test]
fn a_runner_of_its_age_is_replaced_before_it_goes() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello().action(json!({ "runnerMaxAge": 100, "runnerMaxAgeHard": 0 })))
            .await;
        tree.until_runners("/hello/x", 1).await;
        for _ in 0..1000 {
            assert_eq!(tree.get("/hello/x").await, "hello");
            sleep(seconds(1)).await;
        }
        let counts = tree.engine.counts();
        assert!((9..=12).contains(&counts.asked), "{counts:?}");
        assert_eq!(counts.most, 2);
        tree.shut_down().await;
    });
}

#[test]
fn a_runner_that_is_too_old_while_it_works_finishes_up_to_its_hard_age() {
    run_paused(async {
        let tree = TestTree::start();
        let action = json!({ "runnerMaxAge": 20, "runnerMaxAgeHard": 40, "runnerTimeout": 300 });
        tree.serve(&hello().action(action)).await;
        tree.until_runners("/hello/x", 1).await;
        sleep(seconds(15)).await;
        let short = tree.send("/hello/wait/15000").expect("admitted");
        let long = tree.send("/hello/wait/120000").expect("admitted");
        assert_eq!(status(&short.outcome().await), 200);
        let began = Instant::now();
        let outcome = long.outcome().await;
        assert!(
            !matches!(outcome, crate::invocation::Outcome::Responded { .. }),
            "{outcome:?}"
        );
        assert!(began.elapsed() < seconds(13), "{:?}", began.elapsed());
        assert_eq!(tree.get("/hello/x").await, "hello");
        tree.shut_down().await;
    });
}

#[test]
fn a_busy_runner_that_was_replaced_ends_as_soon_as_it_is_idle() {
    run_paused(async {
        let tree = TestTree::start();
        let action = json!({ "runnerMaxAge": 20, "runnerMaxAgeHard": 0, "runnerTimeout": 300 });
        tree.serve(&hello().action(action)).await;
        tree.until_runners("/hello/x", 1).await;
        let old = tree.engine.live()[0];
        let call = tree.send("/hello/wait/30000").expect("admitted");
        assert_eq!(status(&call.outcome().await), 200);
        let began = Instant::now();
        tree.until(|| !tree.engine.live().contains(&old)).await;
        assert!(began.elapsed() < seconds(3), "{:?}", began.elapsed());
        tree.shut_down().await;
    });
}

#[test]
fn a_run_once_function_has_a_fresh_runner_for_every_call_and_one_ready() {
    run_paused(async {
        let tree = TestTree::start();
        let action = json!({ "runnerMode": "run-once", "runnerMinCount": 1, "runnerMaxCount": 3 });
        tree.serve(&hello().action(action)).await;
        for round in 1..=5 {
            assert_eq!(tree.get("/hello/x").await, "hello");
            tree.until(|| tree.engine.counts().asked == round + 1).await;
            tree.until_runners("/hello/x", 1).await;
        }
        let calls: Vec<_> = (0..10)
            .map(|_| tree.send("/hello/wait/1000").expect("admitted"))
            .collect();
        for call in calls {
            assert_eq!(status(&call.outcome().await), 200);
        }
        let counts = tree.engine.counts();
        assert!(counts.asked >= 15, "{counts:?}");
        tree.until(|| tree.engine.counts().live == 1).await;
        tree.shut_down().await;
    });
}

#[test]
fn a_runner_never_has_more_than_its_concurrency() {
    run_paused(async {
        let tree = TestTree::start();
        // The runners check it themselves; `shut_down` looks at what they saw.
        tree.serve(&hello().action(json!({ "concurrency": 3, "runnerMaxCount": 2 })))
            .await;
        let calls: Vec<_> = (0..40)
            .map(|number| {
                tree.send(&format!("/hello/wait/{}", number * 3))
                    .expect("admitted")
            })
            .collect();
        for call in calls {
            assert_eq!(status(&call.outcome().await), 200);
        }
        assert_eq!(tree.engine.counts().most, 2);
        tree.shut_down().await;
    });
}
