//! Tasks have an owner and an end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobber_kernel::testing::{eventually, run, run_paused};
use jobber_kernel::{ActorState, ChildSpec, Tasks, Tree, install_panic_hook, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::worker::{Add, Do, Journal, Note, SOON, Worker, steady};

/// Notes that it was dropped.
struct Held(Journal);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.note("task dropped");
    }
}

async fn hold(held: Held) {
    std::future::pending::<()>().await;
    drop(held);
}

#[test]
fn tasks_end_with_their_owner() {
    run_paused(async {
        let journal = Journal::default();
        let tasks = Tasks::new("test");
        tasks.spawn("first", hold(Held(journal.clone())));
        tasks.spawn_local("second", hold(Held(journal.clone())));
        assert_eq!(tasks.len(), 2);
        sleep(Duration::from_secs(60)).await;
        assert!(!journal.has("task dropped"));
        drop(tasks);
        eventually(SOON, || journal.count("task dropped") == 2).await;
    });
}

#[test]
fn tasks_of_another_runtime_end_with_their_owner_too() {
    run(async {
        let journal = Journal::default();
        let other = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .expect("a runtime");
        let tasks = Tasks::new("test");
        tasks.spawn_on(other.handle(), "far", hold(Held(journal.clone())));
        assert_eq!(tasks.len(), 1);
        drop(tasks);
        eventually(SOON, || journal.has("task dropped")).await;

        let tasks = Tasks::new("test");
        let handle = other.handle().clone();
        other.shutdown_background();
        tasks.spawn_on(&handle, "too late", hold(Held(journal.clone())));
        eventually(SOON, || tasks.is_empty() && journal.count("task dropped") == 2).await;
    });
}

#[test]
fn tasks_of_an_actor_end_with_its_life() {
    run_paused(async {
        install_panic_hook();
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = {
            let journal = journal.clone();
            tree.spawn(steady("worker"), move || {
                let held = journal.clone();
                Worker::new("worker", &journal)
                    .on_start(move |_, ctx| ctx.tasks().spawn("reader", hold(Held(held.clone()))))
            })
        };
        worker.tell(Do::panic("boom"));
        eventually(SOON, || journal.count("worker started") == 2).await;
        assert_eq!(
            journal.count("task dropped"),
            1,
            "the first life's task has ended, the second's has not"
        );
        worker.stop("test");
        worker.exited().await;
        eventually(SOON, || journal.count("task dropped") == 2).await;
    });
}

#[test]
fn a_panic_in_a_task_of_an_actor_is_the_actors_failure() {
    run_paused(async {
        install_panic_hook();
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = {
            let journal = journal.clone();
            tree.spawn(steady("worker"), move || Worker::new("worker", &journal))
        };
        assert_eq!(worker.ask(Add, SOON).await, Ok(1));
        worker.tell(Do::new(|_, ctx| {
            ctx.tasks().spawn("reader", async {
                sleep(Duration::from_secs(1)).await;
                panic!("boom");
            });
        }));
        eventually(SOON, || worker.state() == ActorState::BackingOff).await;
        assert_eq!(worker.ask(Add, SOON).await, Ok(1), "the state is a new one");
        let shown = tree.peek();
        let failure = shown
            .find("/worker")
            .expect("it is there")
            .last_failure
            .clone()
            .expect("it failed");
        assert_eq!(failure.message, "boom");
        assert!(
            failure
                .location
                .expect("the hook knows the place")
                .contains("tasks.rs:")
        );
        tree.shutdown("over").await;
    });
}

#[test]
fn a_panic_in_one_task_is_told_and_harms_no_other() {
    run_paused(async {
        install_panic_hook();
        let told = Arc::new(Mutex::new(Vec::new()));
        let tasks = {
            let told = Arc::clone(&told);
            Tasks::new("test").on_panic(move |panic| {
                told.lock()
                    .expect("not poisoned")
                    .push((panic.task, panic.failure.message.clone()));
            })
        };
        let journal = Journal::default();
        tasks.spawn("bad", async { panic!("boom") });
        tasks.spawn("good", {
            let journal = journal.clone();
            async move {
                sleep(Duration::from_secs(1)).await;
                journal.note("the good one ended");
            }
        });
        tasks.idle().await;
        assert!(journal.has("the good one ended"));
        assert_eq!(*told.lock().expect("not poisoned"), [("bad", "boom".to_owned())]);
    });
}

#[test]
fn a_shutdown_waits_for_tasks_but_not_for_ever() {
    run_paused(async {
        let tasks = Tasks::new("test");
        tasks.spawn("quick", sleep(Duration::from_secs(1)));
        let asked = Instant::now();
        assert_eq!(tasks.shutdown(Duration::from_secs(10)).await, 0);
        assert_eq!(asked.elapsed().as_secs(), 1);

        let tasks = Tasks::new("test");
        tasks.spawn("quick", sleep(Duration::from_secs(1)));
        tasks.spawn("endless", std::future::pending());
        let asked = Instant::now();
        assert_eq!(tasks.shutdown(Duration::from_secs(10)).await, 1);
        assert_eq!(asked.elapsed().as_secs(), 10);
    });
}

#[test]
fn a_task_tells_its_actor_the_result() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = {
            let journal = journal.clone();
            tree.spawn(ChildSpec::permanent("worker"), move || {
                Worker::new("worker", &journal)
            })
        };
        worker.tell(Do::new(|_, ctx| {
            let addr = actix::AsyncContext::address(ctx);
            ctx.tasks().spawn("query", async move {
                sleep(Duration::from_secs(1)).await;
                jobber_kernel::tell(&addr, Note(42));
            });
        }));
        eventually(SOON, || journal.has("worker handled 42")).await;
        tree.shutdown("over").await;
    });
}

#[test]
fn blocking_work_returns_its_result_or_its_panic() {
    install_panic_hook();
    run(async {
        assert_eq!(spawn_blocking("sum", || 1 + 1).await, Ok(2));
        let failure = spawn_blocking("bad", || panic!("boom"))
            .await
            .expect_err("it panicked");
        assert_eq!(failure.message, "boom");
    });
}
