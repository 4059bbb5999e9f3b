//! From one version to the next, and what a job's desired state does to its runners and routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use jobber_kernel::Tasks;
use jobber_kernel::testing::run_paused;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{hello, seconds, status};
use crate::invocation::{Outcome, Refusal};
use crate::job::PrepareError;
use crate::testing::{LoadScript, Refused, RunnerScript, StartScript, TestTree};

fn loads(load: LoadScript) -> RunnerScript {
    RunnerScript {
        load,
        ..RunnerScript::default()
    }
}

/// Callers that call one after the other until they are told to stop. Every call must be answered.
struct Load {
    tasks: Tasks,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU32>,
}

impl Load {
    fn on(tree: &TestTree, callers: u32) -> Self {
        let load = Self {
            tasks: Tasks::new("load"),
            stop: Arc::default(),
            answered: Arc::default(),
        };
        for caller in 0..callers {
            let (tree, stop, answered) = (tree.clone(), Arc::clone(&load.stop), Arc::clone(&load.answered));
            load.tasks.spawn_local("caller", async move {
                while !stop.load(Ordering::SeqCst) {
                    let path = format!("/hello/wait/{}", 5 + caller * 7);
                    assert_eq!(status(&tree.call(&path).await), 200);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        load
    }

    /// How many calls were answered; a panic if a caller has failed.
    async fn stop(self, callers: usize) -> u32 {
        assert_eq!(self.tasks.len(), callers, "a caller has failed");
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.idle().await;
        self.answered.load(Ordering::SeqCst)
    }
}

#[test]
fn a_switch_under_load_loses_no_call_and_the_old_action_ends() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        let load = Load::on(&tree, 20);
        for version in 1..=5 {
            sleep(seconds(3)).await;
            tree.engine.next(loads(LoadScript::Takes(seconds(2))));
            tree.serve(&hello().version(&format!("2.0.{version}"))).await;
        }
        sleep(seconds(3)).await;
        let answered = load.stop(20).await;
        assert!(answered > 1000, "{answered}");
        tree.until(|| tree.engine.counts().live == 1).await;
        assert_eq!(tree.actors("action").await.len(), 1, "retired actions have ended");
        tree.shut_down().await;
    });
}

#[test]
fn new_variables_reach_new_runners_without_a_lost_call() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        let load = Load::on(&tree, 10);
        sleep(seconds(2)).await;
        tree.catalogue.set_environment(version.job, &[("COLOUR", "blue")]);
        tree.handle.hint(Some(version.job));
        tree.until(|| tree.engine.environment() == json!({ "COLOUR": "blue" }))
            .await;
        sleep(seconds(2)).await;
        load.stop(10).await;
        tree.until(|| tree.engine.counts().live == 1).await;
        tree.shut_down().await;
    });
}

#[test]
fn a_runner_with_older_variables_that_is_late_takes_nothing_from_the_newer_one() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        tree.until_runners("/hello/x", 1).await;
        let starts = [("red", seconds(20)), ("blue", seconds(1)), ("green", seconds(25))];
        for (colour, start) in starts {
            tree.engine.next(loads(LoadScript::Takes(start)));
            tree.catalogue.set_environment(version.job, &[("COLOUR", colour)]);
            tree.handle.hint(Some(version.job));
            tree.until(|| tree.engine.environment() == json!({ "COLOUR": colour }))
                .await;
        }
        let [_, red, blue, green] = tree.engine.live()[..] else {
            panic!("not the runners of four environments: {:?}", tree.engine.live())
        };
        // Blue serves; it goes when green does, and not for red, which comes between them.
        tree.until(|| tree.engine.live() == [red, blue, green]).await;
        tree.until(|| tree.engine.live() == [blue, green]).await;
        tree.until(|| tree.engine.live() == [green]).await;
        assert_eq!(tree.engine.counts().asked, 4);
        tree.shut_down().await;
    });
}

#[test]
fn a_successor_that_can_not_be_imported_leaves_the_old_version_serving() {
    run_paused(async {
        let tree = TestTree::start();
        let old = tree.serve(&hello()).await;
        let new = tree.catalogue.publish(&hello().version("2.0.0"));
        tree.engine
            .next(loads(LoadScript::Rejects("no such module".into())));
        let prepared = tree.handle.prepare(old.job, new.id, seconds(60)).await;
        assert!(
            matches!(&prepared, Err(PrepareError::LoadFailed(error)) if error.message == "no such module"),
            "{prepared:?}"
        );
        assert_eq!(tree.get("/hello/x").await, "hello");
        // What failed does not stay.
        sleep(seconds(10)).await;
        assert_eq!(tree.actors("action").await.len(), 1);
        assert_eq!(tree.engine.counts().live, 1);
        // Publishing the same again tries again, and works.
        assert_eq!(tree.handle.prepare(old.job, new.id, seconds(60)).await, Ok(()));
        tree.activate(&new).await;
        assert_eq!(tree.get("/hello/x").await, "hello");
        tree.shut_down().await;
    });
}

#[test]
fn a_prepared_version_waits_for_a_decision_and_not_for_ever() {
    run_paused(async {
        let tree = TestTree::start();
        let package = hello().action(json!({ "runnerMinCount": 0 }));
        let old = tree.serve(&package).await;
        let new = tree.catalogue.publish(&package.clone().version("2.0.0"));
        let began = Instant::now();
        assert_eq!(tree.handle.prepare(old.job, new.id, seconds(60)).await, Ok(()));
        assert_eq!(tree.engine.counts().live, 1, "also with no runners kept ready");
        sleep(seconds(40)).await;
        assert_eq!(tree.handle.prepare(old.job, new.id, seconds(60)).await, Ok(()));
        sleep(seconds(40)).await;
        assert_eq!(
            tree.actors("action").await.len(),
            2,
            "the second preparation counts"
        );
        tree.until(|| tree.engine.counts().live == 0).await;
        assert!(began.elapsed() < seconds(110));
        assert_eq!(tree.actors("action").await.len(), 1);
        // And one that is abandoned goes at once.
        assert_eq!(tree.handle.prepare(old.job, new.id, seconds(60)).await, Ok(()));
        tree.handle.abandon(old.job, new.id);
        let began = Instant::now();
        tree.until(|| tree.engine.counts().live == 0).await;
        assert!(began.elapsed() < seconds(5));
        tree.shut_down().await;
    });
}

#[test]
fn a_serving_version_that_is_prepared_again_is_not_held_warm_for_ever() {
    run_paused(async {
        let tree = TestTree::start();
        let action = json!({ "runnerMinCount": 0, "runnerMaxIdleAge": 10 });
        let version = tree.serve(&hello().action(action)).await;
        assert_eq!(
            tree.handle.prepare(version.job, version.id, seconds(60)).await,
            Ok(())
        );
        assert_eq!(tree.engine.counts().live, 1);
        let began = Instant::now();
        tree.until(|| tree.engine.counts().live == 0).await;
        assert!(began.elapsed() < seconds(20), "{:?}", began.elapsed());
        assert_eq!(
            tree.get("/hello/x").await,
            "hello",
            "and it comes back when it is called"
        );
        tree.shut_down().await;
    });
}

#[test]
fn preparing_what_does_not_exist_is_refused() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        let other = tree.catalogue.publish(&hello().version("2.0.0"));
        tree.catalogue.unreachable(true);
        let prepared = tree.handle.prepare(version.job, other.id, seconds(60)).await;
        assert!(matches!(prepared, Err(PrepareError::Unavailable(_))));
        tree.catalogue.unreachable(false);
        let prepared = tree
            .handle
            .prepare(version.job, crate::domain::VersionId::generate(), seconds(60))
            .await;
        assert!(matches!(prepared, Err(PrepareError::Unavailable(_))));
        tree.engine.next(loads(LoadScript::Hangs));
        let prepared = tree.handle.prepare(version.job, other.id, seconds(20)).await;
        assert_eq!(prepared, Err(PrepareError::TimedOut));
        tree.until(|| tree.engine.counts().live == 1).await;
        tree.shut_down().await;
    });
}

#[test]
fn a_disabled_job_has_neither_routes_nor_runners_and_comes_back() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        let running = tree.send("/hello/wait/3000").expect("admitted");
        tree.until(|| tree.gauge("/hello/x").running == 1).await;
        tree.catalogue.enable(version.job, false);
        assert_eq!(tree.handle.reconcile(version.job, seconds(60)).await, Ok(()));
        assert_eq!(tree.send("/hello/x").err(), Some(Refused::NoRoute));
        assert_eq!(status(&running.outcome().await), 200, "what runs finishes");
        tree.until(|| tree.engine.counts().live == 0).await;
        tree.catalogue.enable(version.job, true);
        assert_eq!(tree.handle.reconcile(version.job, seconds(60)).await, Ok(()));
        assert_eq!(tree.get("/hello/x").await, "hello");
        tree.shut_down().await;
    });
}

#[test]
fn a_job_that_blinks_keeps_its_routes() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        for _ in 0..20 {
            // The hints come faster than anybody acts upon them.
            tree.catalogue.enable(version.job, false);
            tree.handle.hint(Some(version.job));
            sleep(Duration::from_micros(10)).await;
            tree.catalogue.enable(version.job, true);
            assert_eq!(tree.handle.reconcile(version.job, seconds(60)).await, Ok(()));
            assert_eq!(tree.get("/hello/x").await, "hello");
        }
        tree.until(|| tree.engine.counts().live == 1).await;
        assert_eq!(tree.actors("action").await.len(), 1);
        tree.shut_down().await;
    });
}

#[test]
fn a_deleted_job_leaves_nothing() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        tree.catalogue.delete(version.job);
        assert_eq!(tree.handle.reconcile(version.job, seconds(60)).await, Ok(()));
        tree.until(|| tree.engine.counts().live == 0).await;
        // Before the reconciler looks at everything again, and after.
        for _ in 0..100 {
            assert_eq!(tree.send("/hello/x").err(), Some(Refused::NoRoute));
            sleep(Duration::from_millis(100)).await;
        }
        sleep(seconds(60)).await;
        assert_eq!(tree.send("/hello/x").err(), Some(Refused::NoRoute));
        assert_eq!(tree.actors("job").await, Vec::<String>::new());
        assert_eq!(tree.actors("http-trigger").await, Vec::<String>::new());
        tree.shut_down().await;
    });
}

#[test]
fn a_job_that_is_deleted_while_it_waits_for_its_restart_leaves_nothing() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        for kind in ["job", "action"] {
            for _ in 0..6 {
                assert!(tree.crash(kind) <= 1);
                sleep(seconds(1)).await;
            }
        }
        assert!(tree.crash("job") <= 1);
        tree.catalogue.delete(version.job);
        tree.handle.hint(None);
        tree.until(|| {
            tree.engine.counts().live == 0 && tree.send("/hello/x").err() == Some(Refused::NoRoute)
        })
        .await;
        sleep(seconds(120)).await;
        assert_eq!(tree.send("/hello/x").err(), Some(Refused::NoRoute));
        tree.shut_down().await;
    });
}

#[test]
fn a_route_that_the_next_version_does_not_have_goes_and_one_that_stays_keeps_its_trigger() {
    run_paused(async {
        let tree = TestTree::start();
        let old = tree.serve(&hello().routes(&["/hello/*rest", "/old/*rest"])).await;
        let triggers = tree.actors("http-trigger").await;
        assert_eq!(triggers.len(), 2);
        let new = tree
            .serve(&hello().version("2.0.0").routes(&["/hello/*rest", "/new/*rest"]))
            .await;
        assert_eq!(old.triggers[0].id, new.triggers[0].id);
        assert_eq!(tree.get("/new/x").await, "hello");
        assert_eq!(tree.send("/old/x").err(), Some(Refused::NoRoute));
        let now = tree.actors("http-trigger").await;
        assert_eq!(now.iter().filter(|path| triggers.contains(path)).count(), 1);
        tree.shut_down().await;
    });
}

#[test]
fn the_first_version_takes_calls_before_its_runner_is_there() {
    run_paused(async {
        let tree = TestTree::start();
        tree.engine.next(RunnerScript {
            start: StartScript::Takes(seconds(3)),
            ..RunnerScript::default()
        });
        tree.serve(&hello()).await;
        let began = Instant::now();
        assert_eq!(tree.get("/hello/x").await, "hello");
        assert!((seconds(3)..seconds(4)).contains(&began.elapsed()));
        tree.shut_down().await;
    });
}

#[test]
fn a_server_that_shuts_down_finishes_what_runs_and_refuses_what_waits() {
    run_paused(async {
        let tree = TestTree::start();
        let action = json!({ "runnerAsynchronous": false, "runnerMaxCount": 1 });
        tree.serve(&hello().action(action)).await;
        tree.until_runners("/hello/x", 1).await;
        let running = tree.send("/hello/wait/10000").expect("admitted");
        tree.until(|| tree.gauge("/hello/x").running == 1).await;
        let waiting = tree.send("/hello/x").expect("admitted");
        tree.shut_down().await;
        assert_eq!(status(&running.outcome().await), 200);
        let outcome = waiting.outcome().await;
        assert!(
            matches!(outcome, Outcome::Refused(Refusal::ShuttingDown)),
            "{outcome:?}"
        );
        let late = tree.send("/hello/x").err();
        assert_eq!(late, Some(Refused::ByLane(Refusal::ShuttingDown)));
    });
}
