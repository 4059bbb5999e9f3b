//! What the tree shows.

use std::sync::mpsc;
use std::time::Duration;

use jobber_kernel::testing::{eventually, run, run_paused};
use jobber_kernel::{ActorState, ArbiterPool, ChildSpec, Tree, install_panic_hook};
use serde_json::json;

use crate::worker::{Add, Do, Journal, SOON, Worker, steady};

#[test]
fn a_snapshot_shows_every_actor_as_it_is_now() {
    run_paused(async {
        install_panic_hook();
        let (tree, journal) = (Tree::new(), Journal::default());
        let jobs = {
            let journal = journal.clone();
            tree.spawn(steady("jobs"), move || {
                let of_child = journal.clone();
                Worker::new("jobs", &journal).on_start(move |_, ctx| {
                    let journal = of_child.clone();
                    ctx.spawn_child(steady("GET /users"), move || Worker::new("trigger", &journal));
                })
            })
        };
        assert_eq!(jobs.ask(Add, SOON).await, Ok(1));
        eventually(SOON, || journal.has("trigger started")).await;
        let shown = tree.snapshot().await;
        assert_eq!(
            shown.find("/jobs").expect("it is there").observed,
            json!({ "count": 1 })
        );
        jobs.tell(Add);
        jobs.tell(Add);
        let shown = serde_json::to_value(tree.snapshot().await).expect("it is serialisable");
        let jobs_shown = &shown["children"][0];
        assert_eq!(jobs_shown["path"], "/jobs");
        assert_eq!(jobs_shown["kind"], "worker");
        assert_eq!(jobs_shown["state"], "running");
        assert_eq!(jobs_shown["restarts"], 0);
        assert_eq!(jobs_shown["lastFailure"], json!(null));
        assert_eq!(jobs_shown["observed"], json!({ "count": 3 }));
        assert_eq!(jobs_shown["children"][0]["path"], "/jobs/GET %2Fusers");
        assert_eq!(jobs_shown["children"][0]["name"], "GET /users");

        jobs.tell(Do::panic("boom"));
        eventually(SOON, || jobs.state() == ActorState::BackingOff).await;
        let shown = tree.snapshot().await;
        let jobs_shown = shown.find("/jobs").expect("it is there");
        assert_eq!(
            (jobs_shown.state, jobs_shown.reason.as_deref()),
            (ActorState::BackingOff, Some("boom"))
        );
        assert_eq!(jobs_shown.observed, json!({ "count": 3 }), "what it showed last");
        assert_eq!(
            jobs_shown.last_failure.as_ref().expect("it crashed").message,
            "boom"
        );
        assert!(jobs_shown.children.is_empty(), "its children have stopped");
        tree.shutdown("over").await;
    });
}

#[test]
fn an_actor_that_hangs_does_not_hold_up_the_tree() {
    run(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let pool = ArbiterPool::new(1).expect("a thread");
        let spawn = |name: &'static str, spec: ChildSpec| {
            let journal = journal.clone();
            tree.spawn(spec, move || Worker::new(name, &journal))
        };
        let hanging = spawn("hanging", ChildSpec::permanent("hanging").on(pool.next()));
        let healthy = spawn("healthy", ChildSpec::permanent("healthy"));
        assert_eq!(hanging.ask(Add, SOON).await, Ok(1));
        let before = tree.snapshot_within(SOON).await;
        assert_eq!(
            before.find("/hanging").expect("it is there").observed,
            json!({ "count": 1 })
        );

        let (release, held) = mpsc::sync_channel::<()>(0);
        let (entered, inside) = tokio::sync::oneshot::channel();
        hanging.tell(Do::new(move |worker, _| {
            worker.count = 9;
            entered.send(()).expect("the test waits");
            // Blocks its thread until the test lets go of it.
            let _ = held.recv();
        }));
        inside.await.expect("the handler runs");
        assert_eq!(healthy.ask(Add, SOON).await, Ok(1));
        let shown = tree.snapshot_within(Duration::from_millis(20)).await;
        assert_eq!(
            shown.find("/healthy").expect("it is there").observed,
            json!({ "count": 1 })
        );
        assert_eq!(
            shown.find("/hanging").expect("it is there").observed,
            json!({ "count": 1 }),
            "as last seen"
        );
        drop(release);
        let shown = tree.snapshot_within(SOON).await;
        assert_eq!(
            shown.find("/hanging").expect("it is there").observed,
            json!({ "count": 9 })
        );
        tree.shutdown("over").await;
        pool.shutdown().await.expect("the thread has not panicked");
    });
}
