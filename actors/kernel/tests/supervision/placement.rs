//! Actors on other threads. Real time: the clock of one thread cannot stand still for another.

use std::sync::mpsc;
use std::thread::{self, ThreadId};

use actix::Message;
use jobber_kernel::testing::{eventually, run};
use jobber_kernel::{
    ActorState, ArbiterPool, Backoff, ChildRef, ChildSpec, ExitReason, Tree, install_panic_hook,
};

use crate::worker::{Add, Do, Journal, SOON, Worker};

fn quick(name: &str) -> ChildSpec {
    ChildSpec::permanent(name).backoff(Backoff::NONE)
}

async fn thread_of(worker: &ChildRef<Worker>) -> ThreadId {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    worker.tell(Do::new(|_, _| {
        // Nobody waits for it if the test has failed.
        let _ = sender.send(thread::current().id());
    }));
    receiver.await.expect("the actor answers")
}

#[test]
fn an_actor_lives_restarts_and_has_its_children_on_the_arbiter_it_was_given() {
    install_panic_hook();
    run(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let pool = ArbiterPool::new(1).expect("a thread");
        let (children, child) = mpsc::sync_channel(8);
        let parent = {
            let journal = journal.clone();
            tree.spawn(quick("parent").on(pool.next()), move || {
                let (of_child, children) = (journal.clone(), children.clone());
                Worker::new("parent", &journal).on_start(move |_, ctx| {
                    let journal = of_child.clone();
                    let child = ctx.spawn_child(quick("child"), move || Worker::new("child", &journal));
                    children.send(child).expect("the test listens");
                })
            })
        };
        let there = thread_of(&parent).await;
        assert_ne!(there, thread::current().id());
        assert_eq!(
            parent.ask(Do::panic("boom"), SOON).await,
            Err(jobber_kernel::AskError::Dropped)
        );
        assert_eq!(thread_of(&parent).await, there);
        let _of_the_first_life = child.recv().expect("it was started");
        assert_eq!(thread_of(&child.recv().expect("it was started")).await, there);
        tree.shutdown("over").await;
        pool.shutdown().await.expect("the thread has not panicked");
    });
}

#[test]
fn a_parent_is_told_across_threads() {
    install_panic_hook();
    run(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let pool = ArbiterPool::new(2).expect("two threads");
        let (here, there) = (pool.next(), pool.next());
        let parent = {
            let journal = journal.clone();
            tree.spawn(quick("parent").on(here), move || {
                let (of_child, there) = (journal.clone(), there.clone());
                Worker::new("parent", &journal)
                    .on_exit(|_, _, _| {})
                    .on_start(move |_, ctx| {
                        for _ in 0..100 {
                            let journal = of_child.clone();
                            ctx.spawn_child(quick("child").on(there.clone()), move || {
                                Worker::new("child", &journal).on_start(|_, _| panic!("hopeless"))
                            });
                        }
                    })
            })
        };
        let told = || {
            journal
                .read()
                .iter()
                .filter(|entry| entry.starts_with("parent was told"))
                .count()
        };
        eventually(SOON, || told() == 100).await;
        assert_eq!(journal.count("child started"), 600);
        assert_eq!(parent.state(), ActorState::Running);
        tree.shutdown("over").await;
        assert_eq!(told(), 100);
        pool.shutdown().await.expect("the threads have not panicked");
    });
}

#[test]
fn the_end_of_an_arbiter_is_the_end_of_its_actors_and_is_told() {
    install_panic_hook();
    run(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let pool = ArbiterPool::new(1).expect("a thread");
        let arbiter = pool.next();
        let spawn = |name: &'static str| {
            let journal = journal.clone();
            tree.spawn(quick(name).on(arbiter.clone()), move || {
                Worker::new(name, &journal)
            })
        };
        let worker = spawn("worker");
        assert_eq!(worker.ask(Add, SOON).await, Ok(1));
        pool.shutdown().await.expect("the thread has not panicked");
        assert_eq!(worker.exited().await.reason, ExitReason::Killed);
        assert!(journal.has("worker dropped"));

        let late = spawn("late");
        assert_eq!(late.exited().await.reason, ExitReason::Killed);
        assert!(!journal.has("late started"));
        tree.shutdown("over").await;
    });
}

#[test]
fn a_pool_gives_its_arbiters_in_turn_or_by_key() {
    run(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let pool = ArbiterPool::new(3).expect("three threads");
        let mut threads = Vec::new();
        for arbiter in [
            pool.next(),
            pool.next(),
            pool.next(),
            pool.for_key(&"job"),
            pool.for_key(&"job"),
        ] {
            let journal = journal.clone();
            let worker = tree.spawn(quick("worker").on(arbiter), move || {
                Worker::new("worker", &journal)
            });
            threads.push(thread_of(&worker).await);
        }
        let [first, second, third, one, same] = threads[..] else {
            panic!("five workers")
        };
        assert!(first != second && second != third && first != third);
        assert_eq!(one, same);
        assert_eq!(pool.count(), 3);
        tree.shutdown("over").await;
        pool.shutdown().await.expect("the threads have not panicked");
    });
}

/// A message of another thread's making is handled: addresses are `Send`.
#[derive(Message)]
#[rtype(result = "()")]
struct FromElsewhere;

impl actix::Handler<FromElsewhere> for Worker {
    type Result = ();

    fn handle(&mut self, _: FromElsewhere, _: &mut Self::Context) {
        self.journal.note("from elsewhere");
    }
}

#[test]
fn any_thread_may_send_stop_and_start() {
    run(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = {
            let journal = journal.clone();
            tree.spawn(quick("worker"), move || Worker::new("worker", &journal))
        };
        let elsewhere = {
            let (tree, worker, journal) = (tree.clone(), worker.clone(), journal.clone());
            thread::spawn(move || {
                worker.tell(FromElsewhere);
                tree.spawn(quick("other"), move || Worker::new("other", &journal))
            })
        };
        eventually(SOON, || {
            journal.has("from elsewhere") && journal.has("other started")
        })
        .await;
        let other = elsewhere.join().expect("the thread has not panicked");
        assert_eq!(
            thread_of(&other).await,
            thread::current().id(),
            "here is where the parent is"
        );
        thread::spawn(move || other.stop("from elsewhere"))
            .join()
            .expect("the thread has not panicked");
        eventually(SOON, || journal.has("other stopped")).await;
        tree.shutdown("over").await;
    });
}
