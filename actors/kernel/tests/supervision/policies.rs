//! When an actor is started again, when it is not, and who is told.

use std::time::Duration;

use actix::ActorContext;
use jobber_kernel::testing::{eventually, run_paused};
use jobber_kernel::{
    ActorState, Backoff, ChildRef, ChildSpec, ExitReason, Intensity, Tree, install_panic_hook,
};
use tokio::time::Instant;

use crate::worker::{Add, Do, Journal, SOON, Worker, steady};

fn spawn(tree: &Tree, journal: &Journal, spec: ChildSpec) -> ChildRef<Worker> {
    install_panic_hook();
    let journal = journal.clone();
    tree.spawn(spec, move || Worker::new("worker", &journal))
}

/// A worker that panics as soon as it has started.
fn spawn_hopeless(tree: &Tree, journal: &Journal, spec: ChildSpec) -> ChildRef<Worker> {
    install_panic_hook();
    let journal = journal.clone();
    tree.spawn(spec, move || {
        Worker::new("worker", &journal).on_start(|_, _| panic!("hopeless"))
    })
}

#[test]
fn a_permanent_actor_is_started_again_whyever_it_ended() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = spawn(&tree, &journal, ChildSpec::permanent("worker"));
        worker.tell(Do::new(|_, ctx| ctx.stop()));
        eventually(SOON, || journal.count("worker started") == 2).await;
        assert!(journal.has("worker stopped"));
        worker.tell(Do::panic("boom"));
        eventually(SOON, || journal.count("worker started") == 3).await;
        tree.shutdown("over").await;
    });
}

#[test]
fn a_transient_actor_is_started_again_only_after_a_crash() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = spawn(&tree, &journal, ChildSpec::transient("worker"));
        worker.tell(Do::panic("boom"));
        eventually(SOON, || journal.count("worker started") == 2).await;
        worker.tell(Do::new(|_, ctx| ctx.stop()));
        let exit = worker.exited().await;
        assert_eq!((exit.reason, exit.restarts), (ExitReason::Normal, 1));
    });
}

#[test]
fn a_temporary_actor_is_never_started_again() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = spawn(&tree, &journal, ChildSpec::temporary("worker"));
        worker.tell(Do::panic("boom"));
        let exit = worker.exited().await;
        assert!(
            matches!(&exit.reason, ExitReason::Crashed(failure) if failure.message == "boom"),
            "{exit:?}"
        );
        assert_eq!(journal.count("worker started"), 1);
    });
}

#[test]
fn a_restart_storm_gives_up_and_the_parent_is_told() {
    run_paused(async {
        install_panic_hook();
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = {
            let journal = journal.clone();
            tree.spawn(ChildSpec::permanent("parent"), move || {
                let of_child = journal.clone();
                Worker::new("parent", &journal)
                    .on_exit(|_, _, _| {})
                    .on_start(move |parent, ctx| {
                        let journal = of_child.clone();
                        let spec = ChildSpec::permanent("child").intensity(Intensity {
                            max_restarts: 5,
                            within: Duration::from_secs(60),
                        });
                        parent.children.push(ctx.spawn_child(spec, move || {
                            Worker::new("child", &journal).on_start(|_, _| panic!("hopeless"))
                        }));
                    })
            })
        };
        eventually(SOON, || {
            journal
                .read()
                .iter()
                .any(|entry| entry.starts_with("parent was told"))
        })
        .await;

        assert_eq!(
            journal.count("child started"),
            6,
            "the first start and five restarts"
        );
        let told = "parent was told: child gave up after 5 restarts: hopeless";
        let entries = journal.read();
        assert!(entries.iter().any(|entry| entry.starts_with(told)), "{entries:?}");
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(journal.count("child started"), 6, "it is not started any more");
        assert_eq!(parent.state(), ActorState::Running);
        let shown = tree.snapshot().await;
        let child = shown
            .find("/parent/child")
            .expect("a child that did not end well is remembered");
        assert_eq!((child.state, child.restarts), (ActorState::Stopped, 5));
        tree.shutdown("over").await;
    });
}

#[test]
fn failures_far_apart_are_no_storm() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let spec = steady("worker").intensity(Intensity {
            max_restarts: 1,
            within: Duration::from_secs(60),
        });
        let worker = spawn(&tree, &journal, spec);
        for _ in 0..20 {
            worker.tell(Do::panic("boom"));
            tokio::time::sleep(Duration::from_secs(61)).await;
        }
        assert_eq!(journal.count("worker started"), 21);
        worker.tell(Do::panic("boom"));
        worker.tell(Do::panic("boom"));
        assert!(matches!(
            worker.exited().await.reason,
            ExitReason::GaveUp { restarts: 21, .. }
        ));
    });
}

#[test]
fn an_unlimited_actor_never_gives_up_and_waits_at_most_the_maximum() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let backoff = Backoff {
            max: Duration::from_secs(10),
            jitter: 0.0,
            ..Backoff::default()
        };
        let spec = ChildSpec::permanent("worker")
            .intensity(Intensity::UNLIMITED)
            .backoff(backoff);
        let worker = spawn_hopeless(&tree, &journal, spec);
        tokio::time::sleep(Duration::from_secs(10_000)).await;
        let starts = journal.count("worker started");
        assert!(
            (1000..1010).contains(&starts),
            "{starts} starts in 10,000 s with waits of 10 s"
        );
        worker.stop("test");
        worker.exited().await;
    });
}

#[test]
fn waits_grow_between_restarts_and_begin_anew_after_a_recovery() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let backoff = Backoff {
            initial: Duration::from_secs(1),
            jitter: 0.0,
            ..Backoff::default()
        };
        let spec = ChildSpec::permanent("worker")
            .intensity(Intensity::UNLIMITED)
            .backoff(backoff);
        let worker = spawn(&tree, &journal, spec);
        let mut waits = Vec::new();
        for life in 1..=4 {
            if life == 4 {
                tokio::time::sleep(Duration::from_secs(61)).await;
            }
            worker.tell(Do::panic("boom"));
            let crashed = Instant::now();
            assert_eq!(worker.ask(Add, SOON).await, Ok(1));
            waits.push(crashed.elapsed().as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 1]);
        tree.shutdown("over").await;
    });
}

#[test]
fn the_same_seed_makes_the_same_waits() {
    let starts = |seed| {
        run_paused(async move {
            let (tree, journal) = (Tree::with_seed(seed), Journal::default());
            let worker = spawn_hopeless(&tree, &journal, ChildSpec::permanent("worker"));
            let begun = Instant::now();
            worker.exited().await;
            begun.elapsed()
        })
    };
    assert_eq!(starts(1), starts(1));
    assert_ne!(starts(1), starts(2));
}
