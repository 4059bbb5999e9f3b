//! What happens when a part of the outside world fails.

use jobber_kernel::testing::run_paused;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{hasty, hello, seconds, status};
use crate::invocation::{Outcome, Refusal};
use crate::protocol::{Flags, FrameKind};
use crate::runner_manager::let_in;
use crate::session::HandshakeError;
use crate::testing::{LoadScript, Refused, RunnerScript, StartScript, TestTree, Wire};

fn starts(start: StartScript) -> RunnerScript {
    RunnerScript {
        start,
        ..RunnerScript::default()
    }
}

fn loads(load: LoadScript) -> RunnerScript {
    RunnerScript {
        load,
        ..RunnerScript::default()
    }
}

#[test]
fn a_module_that_can_not_be_imported_answers_at_once_with_its_own_error() {
    run_paused(async {
        let tree = TestTree::start();
        tree.engine
            .script(loads(LoadScript::Rejects("no such module".into())));
        tree.serve(&hello()).await;
        for _ in 0..5 {
            let began = Instant::now();
            let outcome = tree.call("/hello/x").await;
            assert!(
                matches!(&outcome, Outcome::Refused(Refusal::LoadFailed(error)) if error.message == "no such module"),
                "{outcome:?}"
            );
            assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
        }
        assert!(tree.engine.counts().asked < 4, "not every call tries again");
        assert_eq!(tree.handle.jobs_without_runners(), 1);
        tree.engine.script(RunnerScript::default());
        sleep(seconds(61)).await;
        assert_eq!(tree.get("/hello/x").await, "hello", "it has recovered by itself");
        assert_eq!(tree.handle.jobs_without_runners(), 0);
        tree.shut_down().await;
    });
}

#[test]
fn every_way_in_which_a_runner_may_not_come_up_is_survived() {
    let scripts = [
        starts(StartScript::Fails("no image".into())),
        starts(StartScript::Silent),
        starts(StartScript::Hangs),
        starts(StartScript::Exits(9)),
        starts(StartScript::Takes(seconds(70))),
        loads(LoadScript::Hangs),
        loads(LoadScript::Exits(1)),
        loads(LoadScript::BreaksProtocol),
        loads(LoadScript::Takes(seconds(70))),
        loads(LoadScript::Rejects("no".into())),
    ];
    for script in scripts {
        run_paused(async {
            let tree = TestTree::start();
            tree.engine.next(script.clone());
            tree.serve(&hello().action(json!({ "queue": { "wait": 200 } })))
                .await;
            let first = tree.call("/hello/x").await;
            if !matches!(first, Outcome::Responded { .. }) {
                sleep(seconds(70)).await;
                assert_eq!(tree.get("/hello/x").await, "hello", "{script:?}");
            }
            tree.until(|| tree.engine.counts().live == 1).await;
            tree.shut_down().await;
        });
    }
}

#[test]
fn after_three_failures_of_the_engine_nobody_is_kept_waiting() {
    run_paused(async {
        let tree = TestTree::start();
        tree.engine.script(starts(StartScript::Fails("no image".into())));
        tree.serve(&hello()).await;
        let began = Instant::now();
        let outcome = tree.call("/hello/x").await;
        let Outcome::Refused(Refusal::NoRunner(reason)) = &outcome else {
            panic!("{outcome:?}")
        };
        assert!(reason.contains("no image"), "{reason}");
        assert!(
            (seconds(1)..seconds(8)).contains(&began.elapsed()),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(tree.engine.counts().asked, 3);
        let began = Instant::now();
        assert!(matches!(
            tree.call("/hello/x").await,
            Outcome::Refused(Refusal::NoRunner(_))
        ));
        assert!(began.elapsed() < seconds(1));
        tree.shut_down().await;
    });
}

#[test]
fn a_variable_that_was_missing_helps_at_once() {
    run_paused(async {
        let tree = TestTree::start();
        // A minute of waiting has built up.
        tree.engine
            .script(loads(LoadScript::Rejects("COLOUR is not set".into())));
        let version = tree.serve(&hello()).await;
        sleep(seconds(300)).await;
        tree.engine.script(RunnerScript::default());
        tree.catalogue.set_environment(version.job, &[("COLOUR", "blue")]);
        tree.handle.hint(Some(version.job));
        let began = Instant::now();
        tree.until_runners("/hello/x", 1).await;
        assert!(began.elapsed() < seconds(2), "{:?}", began.elapsed());
        tree.shut_down().await;
    });
}

#[test]
fn the_failure_of_an_outdated_runner_does_not_refuse_the_callers_of_the_next() {
    run_paused(async {
        let tree = TestTree::start();
        tree.engine.next(loads(LoadScript::Takes(seconds(5))));
        tree.engine.next(loads(LoadScript::Takes(seconds(5))));
        let version = tree.serve(&hello()).await;
        let call = tree.send("/hello/x").expect("admitted");
        sleep(seconds(1)).await;
        let outdated = tree.engine.live();
        tree.catalogue.set_environment(version.job, &[("COLOUR", "blue")]);
        tree.handle.hint(Some(version.job));
        sleep(seconds(1)).await;
        for runner in outdated {
            tree.engine.kill(runner);
        }
        assert_eq!(status(&call.outcome().await), 200);
        tree.shut_down().await;
    });
}

#[test]
fn an_engine_that_does_not_answer_keeps_no_caller_and_no_permit() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hasty()).await;
        tree.until_runners("/hello/x", 1).await;
        tree.engine.unreachable(true);
        let stubborn = tree.send("/hello/stubborn").expect("admitted");
        assert!(matches!(stubborn.outcome().await, Outcome::TimedOut { .. }));
        tree.until(|| tree.gauge("/hello/x").running == 0).await;
        tree.engine.unreachable(false);
        // The reaper finds what could not be removed.
        tree.until(|| tree.engine.counts().live == 1).await;
        sleep(seconds(61)).await;
        assert_eq!(tree.get("/hello/x").await, "hello");
        tree.shut_down().await;
    });
}

#[test]
fn runners_that_are_killed_from_outside_are_replaced() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello().action(json!({ "runnerMinCount": 3 }))).await;
        tree.until_runners("/hello/x", 3).await;
        for runner in tree.engine.live() {
            tree.engine.kill(runner);
        }
        tree.until(|| tree.engine.counts().asked == 6).await;
        tree.until_runners("/hello/x", 3).await;
        tree.shut_down().await;
    });
}

#[test]
fn an_operator_ends_a_runner_gently_or_not() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        tree.until_runners("/hello/x", 1).await;
        let running = tree.send("/hello/wait/5000").expect("admitted");
        tree.until(|| tree.gauge("/hello/x").running == 1).await;
        let runner = tree.engine.live()[0];
        assert_eq!(tree.handle.stop_runner(runner, false), Ok(()));
        assert_eq!(status(&running.outcome().await), 200, "it finishes what it has");
        tree.until(|| !tree.engine.live().contains(&runner)).await;
        tree.until_runners("/hello/x", 1).await;
        let running = tree.send("/hello/wait/5000").expect("admitted");
        tree.until(|| tree.gauge("/hello/x").running == 1).await;
        assert_eq!(tree.handle.stop_runner(tree.engine.live()[0], true), Ok(()));
        let outcome = running.outcome().await;
        assert!(
            matches!(outcome, Outcome::Lost(_) | Outcome::Failed(_)),
            "{outcome:?}"
        );
        assert_eq!(tree.get("/hello/x").await, "hello");
        tree.shut_down().await;
    });
}

#[test]
fn a_runner_that_ignores_its_end_is_killed() {
    run_paused(async {
        let tree = TestTree::start();
        tree.engine.script(RunnerScript {
            ignores_shutdown: true,
            ..RunnerScript::default()
        });
        tree.serve(&hello()).await;
        tree.until_runners("/hello/x", 1).await;
        let began = Instant::now();
        tree.shut_down().await;
        assert!(began.elapsed() < seconds(10), "{:?}", began.elapsed());
    });
}

#[test]
fn a_catalogue_that_does_not_answer_changes_nothing_that_runs() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        tree.catalogue.unreachable(true);
        tree.handle.hint(None);
        sleep(seconds(120)).await;
        assert_eq!(tree.get("/hello/x").await, "hello");
        tree.catalogue.delete(version.job);
        tree.catalogue.unreachable(false);
        tree.until(|| tree.send("/hello/x").err() == Some(Refused::NoRoute))
            .await;
        tree.shut_down().await;
    });
}

#[test]
fn an_archive_that_is_gone_is_jobbers_trouble_and_said_so() {
    run_paused(async {
        let tree = TestTree::start();
        tree.archives.lose_all(true);
        tree.serve(&hello()).await;
        let outcome = tree.call("/hello/x").await;
        let Outcome::Refused(Refusal::NoRunner(reason)) = &outcome else {
            panic!("{outcome:?}")
        };
        assert!(reason.contains("there is no archive"), "{reason}");
        tree.shut_down().await;
    });
}

#[test]
fn a_token_lets_in_one_connection() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        tree.until_runners("/hello/x", 1).await;
        let used = tree.engine.last_token().expect("a runner was started");
        for token in [used.expose_secret().to_owned(), "0".repeat(64)] {
            let (mut ours, theirs) = tokio::io::duplex(4096);
            let head = json!({ "protocol": 1, "token": token });
            let mut wire = Wire::new(theirs);
            wire.send(FrameKind::Hello, Flags::NONE, 0, &head, &[]).await;
            let refused = let_in(&mut ours, tree.handle.surroundings()).await.err();
            assert!(matches!(refused, Some(HandshakeError::Token)), "{refused:?}");
        }
        assert_eq!(tree.get("/hello/x").await, "hello");
        tree.shut_down().await;
    });
}

#[test]
fn a_gateway_whose_server_fails_is_started_again_and_keeps_its_routes() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        tree.gateway.fail();
        tree.until(|| tree.gateway.runs() == 2).await;
        assert_eq!(tree.get("/hello/x").await, "hello");
        tree.serve(&hello().version("2.0.0").routes(&["/again/*rest"]))
            .await;
        assert_eq!(tree.get("/again/x").await, "hello");
        tree.shut_down().await;
    });
}
