//! A stop is a real stop: it ends what it is asked of, in time, whatever that is doing.

use std::time::Duration;

use actix::fut::wrap_future;
use actix::{ActorContext, ActorFutureExt, AsyncContext, Running};
use jobber_kernel::testing::{eventually, run_paused};
use jobber_kernel::{ActorState, ChildRef, ChildSpec, ExitReason, StopReason, Tree, install_panic_hook};
use tokio::time::Instant;

use crate::worker::{Do, Journal, Note, SOON, Worker, steady};

fn spawn(
    tree: &Tree,
    journal: &Journal,
    spec: ChildSpec,
    made: impl Fn(Worker) -> Worker + Send + 'static,
) -> ChildRef<Worker> {
    install_panic_hook();
    let journal = journal.clone();
    tree.spawn(spec, move || made(Worker::new("worker", &journal)))
}

fn stopped(reason: &'static str) -> ExitReason {
    ExitReason::Stopped(StopReason::from(reason))
}

#[test]
fn a_stop_asks_then_stops_then_drops() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = spawn(&tree, &journal, steady("worker"), |worker| worker);
        eventually(SOON, || journal.has("worker started")).await;
        worker.stop("replaced");
        worker.stop("a second reason does not count");
        assert_eq!(worker.exited().await.reason, stopped("replaced"));
        let expected = [
            "started",
            "asked to stop: replaced",
            "stopping",
            "stopped",
            "dropped",
        ];
        assert_eq!(journal.read(), expected.map(|what| format!("worker {what}")));
        assert!(worker.is_over() && worker.state() == ActorState::Stopped);
    });
}

#[test]
fn an_actor_may_finish_its_work_within_its_grace() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let spec = steady("worker").stop_grace(Duration::from_secs(10));
        let worker = spawn(&tree, &journal, spec, |worker| {
            worker.on_stop_requested(|_, ctx| {
                ctx.run_later(Duration::from_secs(9), |_, ctx| ctx.stop());
            })
        });
        eventually(SOON, || journal.has("worker started")).await;
        worker.stop("test");
        eventually(SOON, || worker.state() == ActorState::Stopping).await;
        worker.tell(Note(1));
        assert_eq!(worker.exited().await.reason, stopped("test"));
        assert!(
            journal.has("worker handled 1"),
            "messages are handled while it finishes its work"
        );
    });
}

#[test]
fn a_child_that_refuses_to_stop_is_killed_after_its_grace() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let spec = steady("worker").stop_grace(Duration::from_secs(10));
        let worker = spawn(&tree, &journal, spec, |worker| {
            worker.on_stopping(|| Running::Continue)
        });
        eventually(SOON, || journal.has("worker started")).await;
        let asked = Instant::now();
        worker.stop("test");
        assert_eq!(worker.exited().await.reason, ExitReason::Killed);
        assert_eq!(asked.elapsed().as_secs(), 10);
        assert!(journal.has("worker dropped") && !journal.has("worker stopped"));
    });
}

#[test]
fn a_child_whose_last_work_never_ends_is_killed_after_its_grace() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let spec = steady("worker").stop_grace(Duration::from_secs(10));
        let worker = spawn(&tree, &journal, spec, |worker| {
            worker.on_stop_requested(|_, ctx| {
                let flush = wrap_future::<_, Worker>(std::future::pending::<()>());
                ctx.wait(flush.map(|(), _, ctx| ctx.stop()));
            })
        });
        eventually(SOON, || journal.has("worker started")).await;
        let asked = Instant::now();
        worker.stop("test");
        assert_eq!(worker.exited().await.reason, ExitReason::Killed);
        assert_eq!(asked.elapsed().as_secs(), 10);
    });
}

#[test]
fn an_actor_that_waits_for_a_future_hears_the_stop() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = spawn(&tree, &journal, steady("worker"), |worker| {
            worker.on_start(|_, ctx| ctx.wait(wrap_future(std::future::pending())))
        });
        eventually(SOON, || journal.has("worker started")).await;
        let asked = Instant::now();
        worker.stop("test");
        assert_eq!(worker.exited().await.reason, stopped("test"));
        assert!(asked.elapsed() < Duration::from_millis(10));
    });
}

#[test]
fn a_stop_while_backing_off_is_the_end_without_another_start() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = spawn(&tree, &journal, steady("worker"), |worker| worker);
        worker.tell(Do::panic("boom"));
        eventually(SOON, || worker.state() == ActorState::BackingOff).await;
        let asked = Instant::now();
        worker.stop("test");
        assert_eq!(worker.exited().await.reason, stopped("test"));
        assert!(
            asked.elapsed() < Duration::from_millis(10),
            "it does not wait for the backoff"
        );
        assert_eq!(journal.count("worker started"), 1);
    });
}

#[test]
fn a_stop_while_crashing_is_the_end_without_another_start() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        // It crashes while it finishes its work.
        let worker = spawn(&tree, &journal, steady("worker"), |worker| {
            worker.on_stop_requested(|_, _| {})
        });
        eventually(SOON, || journal.has("worker started")).await;
        worker.stop("test");
        worker.tell(Do::panic("boom"));
        let exit = worker.exited().await;
        assert!(
            matches!(&exit.reason, ExitReason::Crashed(failure) if failure.message == "boom"),
            "{exit:?}"
        );
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(journal.count("worker started"), 1);
    });
}

#[test]
fn a_stop_in_every_moment_of_a_restart_loop_is_the_end() {
    // The moments are those of the paused clock, so that each is hit exactly.
    for moment in (0..3000).step_by(50) {
        run_paused(async move {
            let (tree, journal) = (Tree::with_seed(moment), Journal::default());
            let worker = spawn(&tree, &journal, ChildSpec::permanent("worker"), |worker| {
                worker.on_start(|_, ctx| {
                    ctx.run_later(Duration::from_millis(70), |_, _| panic!("boom"));
                })
            });
            tokio::time::sleep(Duration::from_millis(moment)).await;
            worker.stop("test");
            let exit = worker.exited().await;
            assert_eq!(exit.reason, stopped("test"), "at {moment} ms");
            let starts = journal.count("worker started");
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(journal.count("worker started"), starts);
            assert_eq!(journal.count("worker dropped"), starts);
        });
    }
}

#[test]
fn a_stop_before_the_first_life_prevents_it() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = spawn(&tree, &journal, steady("worker"), |worker| worker);
        worker.stop("test");
        assert_eq!(worker.exited().await.reason, stopped("test"));
        assert_eq!(journal.read(), Vec::<String>::new());
    });
}

#[test]
fn a_kill_does_not_ask() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = spawn(&tree, &journal, steady("worker"), |worker| worker);
        eventually(SOON, || journal.has("worker started")).await;
        worker.kill();
        assert_eq!(worker.exited().await.reason, ExitReason::Killed);
        assert_eq!(journal.read(), ["worker started", "worker dropped"]);
    });
}

#[test]
fn a_tree_that_was_shut_down_takes_no_actors() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        spawn(&tree, &journal, steady("worker"), |worker| worker);
        tree.shutdown("over").await;
        let late = spawn(&tree, &journal, steady("late"), |worker| worker);
        assert!(late.is_over());
        assert!(matches!(late.exited().await.reason, ExitReason::Stopped(_)));
        assert!(late.try_tell(Note(1)).is_err());
    });
}

#[test]
fn a_shutdown_may_have_a_deadline() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let spec = || steady("worker").stop_grace(Duration::from_secs(3600));
        spawn(&tree, &journal, spec(), |worker| worker);
        assert!(tree.shutdown_within("over", Duration::from_secs(10)).await);

        let tree = Tree::new();
        let worker = spawn(&tree, &journal, spec(), |worker| {
            worker.on_stop_requested(|_, _| {})
        });
        eventually(SOON, || worker.state() == ActorState::Running).await;
        let asked = Instant::now();
        assert!(!tree.shutdown_within("over", Duration::from_secs(10)).await);
        assert_eq!(asked.elapsed().as_secs(), 10);
        assert_eq!(worker.exited().await.reason, ExitReason::Killed);
    });
}
