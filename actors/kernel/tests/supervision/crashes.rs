//! Wherever an actor panics, it is restarted with a state from its factory, and nothing else is harmed.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{ActorContext, ActorFutureExt, AsyncContext, Running};
use jobber_kernel::testing::{eventually, run_paused};
use jobber_kernel::{ActorState, ChildRef, ChildSpec, ExitReason, Tree, install_panic_hook};
use serde_json::json;

use crate::worker::{Add, Do, Journal, SOON, Worker, steady};

/// Spawns a worker, has `crash` crash it, and checks that it came back empty and at work.
fn restarts_after(crash: impl FnOnce(&ChildRef<Worker>)) {
    install_panic_hook();
    run_paused(async {
        let journal = Journal::default();
        let tree = Tree::new();
        let worker = tree.spawn(steady("worker"), {
            let journal = journal.clone();
            move || Worker::new("worker", &journal)
        });
        assert_eq!(worker.ask(Add, SOON).await, Ok(1));

        crash(&worker);
        eventually(SOON, || journal.count("worker started") == 2).await;

        assert_eq!(worker.ask(Add, SOON).await, Ok(1), "the state is a new one");
        assert_eq!(journal.count("worker dropped"), 1, "the old state is gone");
        assert!(!journal.has("worker stopped"), "a crash is not a stop");
        let shown = tree.snapshot().await;
        let shown = shown.find("/worker").expect("it is in the tree");
        assert_eq!((shown.state, shown.restarts), (ActorState::Running, 1));
        let failure = shown.last_failure.as_ref().expect("the failure is kept");
        assert_eq!(failure.message, "boom");
        tree.shutdown("over").await;
    });
}

#[test]
fn a_panic_in_a_handler() {
    restarts_after(|worker| worker.tell(Do::panic("boom")));
}

#[test]
fn a_panic_in_a_spawned_future() {
    restarts_after(|worker| {
        worker.tell(Do::new(|_, ctx| {
            ctx.spawn(wrap_future(async { panic!("boom") }));
        }));
    });
}

#[test]
fn a_panic_in_a_spawned_future_that_was_pending_before() {
    restarts_after(|worker| {
        worker.tell(Do::new(|_, ctx| {
            let later = async {
                tokio::time::sleep(Duration::from_secs(3)).await;
                panic!("boom")
            };
            ctx.spawn(wrap_future(later));
        }));
    });
}

#[test]
fn a_panic_in_a_future_that_the_actor_waits_for() {
    restarts_after(|worker| worker.tell(Do::new(|_, ctx| ctx.wait(wrap_future(async { panic!("boom") })))));
}

#[test]
fn a_panic_after_a_future_with_access_to_the_state() {
    restarts_after(|worker| {
        worker.tell(Do::new(|_, ctx| {
            let answered = wrap_future::<_, Worker>(async { 7 }).map(|seven, worker, _| {
                worker.count = seven;
                panic!("boom")
            });
            ctx.spawn(answered);
        }));
    });
}

#[test]
fn a_panic_in_a_timer() {
    restarts_after(|worker| {
        worker.tell(Do::new(|_, ctx| {
            ctx.run_later(Duration::from_secs(5), |_, _| panic!("boom"));
        }));
    });
}

#[test]
fn a_panic_in_an_interval() {
    restarts_after(|worker| {
        worker.tell(Do::new(|_, ctx| {
            ctx.run_interval(Duration::from_secs(5), |worker, _| {
                worker.count += 1;
                assert!(worker.count < 4, "boom");
            });
        }));
    });
}

#[test]
fn a_failure_that_is_not_a_panic() {
    restarts_after(|worker| worker.tell(Do::new(|_, ctx| ctx.fail("boom"))));
}

#[test]
fn a_panic_while_the_state_is_dropped_after_a_panic() {
    install_panic_hook();
    run_paused(async {
        let journal = Journal::default();
        let tree = Tree::new();
        let worker = tree.spawn(steady("worker"), {
            let journal = journal.clone();
            move || Worker::new("worker", &journal).on_drop(|| panic!("in drop"))
        });
        // Futures that panic when they are dropped, more than one, beside a state that does.
        worker.tell(Do::new(|_, ctx| {
            for _ in 0..3 {
                let bomb = Bomb;
                ctx.spawn(wrap_future(poll_fn(move |_| {
                    let _kept = &bomb;
                    Poll::<()>::Pending
                })));
            }
        }));
        worker.tell(Do::panic("boom"));
        eventually(SOON, || journal.count("worker started") == 2).await;
        assert_eq!(worker.ask(Add, SOON).await, Ok(1));
        tree.shutdown("over").await;
    });
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb went off");
    }
}

#[test]
fn a_panic_in_started() {
    install_panic_hook();
    run_paused(async {
        let journal = Journal::default();
        let tree = Tree::new();
        let lives = Arc::new(AtomicU32::new(0));
        let worker = tree.spawn(steady("worker"), {
            let journal = journal.clone();
            move || {
                let lives = Arc::clone(&lives);
                Worker::new("worker", &journal).on_start(move |_, _| {
                    assert!(lives.fetch_add(1, Ordering::SeqCst) >= 2, "not yet");
                })
            }
        });
        assert_eq!(worker.ask(Add, SOON).await, Ok(1));
        assert_eq!(journal.count("worker started"), 3);
        tree.shutdown("over").await;
    });
}

#[test]
fn a_panic_in_the_factory() {
    install_panic_hook();
    run_paused(async {
        let journal = Journal::default();
        let tree = Tree::new();
        let worker = tree.spawn(steady("worker"), {
            let (journal, mut calls) = (journal.clone(), 0);
            move || {
                calls += 1;
                assert!(calls > 2, "the factory is not ready");
                Worker::new("worker", &journal)
            }
        });
        assert_eq!(
            worker.ask(Add, SOON).await,
            Ok(1),
            "a question from before the first life is answered"
        );
        let shown = tree.peek();
        assert_eq!(shown.find("/worker").expect("it is in the tree").restarts, 2);
        tree.shutdown("over").await;
    });
}

#[test]
fn a_panic_in_stop_requested_ends_the_actor() {
    ends_with_a_crash(|worker| worker.on_stop_requested(|_, _| panic!("boom")));
}

#[test]
fn a_panic_in_stopping_ends_the_actor() {
    ends_with_a_crash(|worker| worker.on_stopping(|| panic!("boom")));
}

fn ends_with_a_crash(made: impl Fn(Worker) -> Worker + Send + 'static) {
    install_panic_hook();
    run_paused(async {
        let journal = Journal::default();
        let tree = Tree::new();
        let worker = tree.spawn(steady("worker"), {
            let journal = journal.clone();
            move || made(Worker::new("worker", &journal))
        });
        eventually(SOON, || journal.has("worker started")).await;
        worker.stop("test");
        let exit = worker.exited().await;
        assert!(
            matches!(&exit.reason, ExitReason::Crashed(failure) if failure.message == "boom"),
            "{exit:?}"
        );
        assert_eq!(
            journal.count("worker started"),
            1,
            "an actor that was asked to stop is not restarted"
        );
        assert_eq!(journal.count("worker dropped"), 1);
    });
}

#[test]
fn a_panic_in_observe_is_shown_and_harms_nothing() {
    install_panic_hook();
    run_paused(async {
        let journal = Journal::default();
        let tree = Tree::new();
        let worker = tree.spawn(ChildSpec::permanent("worker"), {
            let journal = journal.clone();
            move || Worker::new("worker", &journal).on_observe(|| panic!("boom"))
        });
        assert_eq!(worker.ask(Add, SOON).await, Ok(1));
        let shown = tree.snapshot().await;
        let shown = shown.find("/worker").expect("it is in the tree");
        assert!(
            shown.observed.as_str().is_some_and(|text| text.contains("boom")),
            "{shown:?}"
        );
        assert_eq!(worker.ask(Add, SOON).await, Ok(2), "it is the same life");
        tree.shutdown("over").await;
    });
}

#[test]
fn a_failure_says_what_happened_where_and_when() {
    install_panic_hook();
    run_paused(async {
        let tree = Tree::new();
        let journal = Journal::default();
        let worker = tree.spawn(ChildSpec::temporary("worker"), move || {
            Worker::new("worker", &journal)
        });
        worker.tell(Do::new(|worker, _| panic!("count is {}", worker.count)));
        let ExitReason::Crashed(failure) = worker.exited().await.reason else {
            panic!("it crashed")
        };
        assert_eq!(failure.message, "count is 0");
        let location = failure.location.expect("the hook knows the place");
        assert!(location.contains("crashes.rs:"), "{location}");
        assert!(failure.at_unix_ms > 0);
    });
}

#[test]
fn a_crash_harms_no_sibling() {
    install_panic_hook();
    run_paused(async {
        let journal = Journal::default();
        let tree = Tree::new();
        let spawn = |name: &'static str| {
            let journal = journal.clone();
            tree.spawn(steady(name), move || Worker::new(name, &journal))
        };
        let (first, second) = (spawn("first"), spawn("second"));
        assert_eq!(second.ask(Add, SOON).await, Ok(1));
        first.tell(Do::panic("boom"));
        eventually(SOON, || journal.count("first started") == 2).await;
        assert_eq!(second.ask(Add, SOON).await, Ok(2));
        tree.shutdown("over").await;
    });
}

#[test]
fn stopping_may_be_refused_as_in_actix() {
    run_paused(async {
        let journal = Journal::default();
        let tree = Tree::new();
        let worker = tree.spawn(ChildSpec::transient("worker"), {
            let journal = journal.clone();
            let asked = Arc::new(AtomicU32::new(0));
            move || {
                let asked = Arc::clone(&asked);
                Worker::new("worker", &journal).on_stopping(move || {
                    if asked.fetch_add(1, Ordering::SeqCst) == 0 {
                        Running::Continue
                    } else {
                        Running::Stop
                    }
                })
            }
        });
        worker.tell(Do::new(|_, ctx| ctx.stop()));
        assert_eq!(worker.ask(Add, SOON).await, Ok(1), "it goes on");
        worker.tell(Do::new(|_, ctx| ctx.stop()));
        assert_eq!(worker.exited().await.reason, ExitReason::Normal);
        assert_eq!(
            journal.read(),
            ["started", "stopping", "stopping", "stopped", "dropped"].map(|what| format!("worker {what}"))
        );
        // What the tree shows of the dead is only that they did not end well, and this one did.
        assert_eq!(json!(tree.peek().children), json!([]));
    });
}
