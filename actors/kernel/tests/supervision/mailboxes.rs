//! What happens to messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::AsyncContext;
use actix::fut::wrap_future;
use jobber_kernel::testing::{eventually, run_paused};
use jobber_kernel::{ActorState, AskError, ChildRef, ChildSpec, Tree, ask, install_panic_hook, tell};
use tokio::time::Instant;

use crate::worker::{Add, Do, Journal, Note, SOON, Worker, steady};

fn worker(tree: &Tree, journal: &Journal) -> ChildRef<Worker> {
    install_panic_hook();
    let journal = journal.clone();
    tree.spawn(steady("worker"), move || Worker::new("worker", &journal))
}

fn handled(journal: &Journal) -> Vec<String> {
    journal
        .read()
        .into_iter()
        .filter_map(|entry| Some(entry.strip_prefix("worker handled ")?.to_owned()))
        .collect()
}

#[test]
fn queued_messages_survive_a_crash_in_order() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        for number in 0..1000 {
            worker.tell(Note(number));
            if number % 250 == 100 {
                worker.tell(Do::panic("in between"));
            }
        }
        eventually(Duration::from_secs(60), || handled(&journal).len() == 1000).await;
        assert_eq!(
            handled(&journal),
            (0..1000).map(|number| number.to_string()).collect::<Vec<_>>()
        );
        assert_eq!(journal.count("worker started"), 5, "it crashed four times");
        tree.shutdown("over").await;
    });
}

#[test]
fn messages_sent_while_it_backs_off_are_handled_after_the_restart() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        worker.tell(Do::panic("boom"));
        eventually(SOON, || worker.state() == ActorState::BackingOff).await;
        let asked = Instant::now();
        worker.tell(Note(1));
        assert_eq!(worker.ask(Add, SOON).await, Ok(1));
        assert_eq!(handled(&journal), ["1"]);
        assert!(
            asked.elapsed() >= Duration::from_millis(990),
            "the answer came after the backoff"
        );
        tree.shutdown("over").await;
    });
}

#[test]
fn the_message_that_crashed_is_gone_and_its_asker_is_told_at_once() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        let asked = Instant::now();
        assert_eq!(worker.ask(Do::panic("boom"), SOON).await, Err(AskError::Dropped));
        assert!(asked.elapsed() < Duration::from_millis(10));
        eventually(SOON, || journal.count("worker started") == 2).await;
        assert_eq!(
            worker.ask(Add, SOON).await,
            Ok(1),
            "the message does not come a second time"
        );
        assert_eq!(journal.count("worker started"), 2);
        tree.shutdown("over").await;
    });
}

/// Says when it is dropped, as a reply slot does.
struct Slot(Arc<AtomicBool>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn messages_that_were_never_handled_are_dropped_before_the_end_is_told() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        worker.tell(Do::panic("boom"));
        eventually(SOON, || worker.state() == ActorState::BackingOff).await;
        let dropped = Arc::new(AtomicBool::new(false));
        let slot = Slot(Arc::clone(&dropped));
        worker.tell(Do::new(move |_, _| drop(slot)));
        let question = worker.ask(Add, SOON);

        worker.stop("test");
        assert_eq!(question.await, Err(AskError::Over));
        worker.exited().await;
        assert!(dropped.load(Ordering::SeqCst));
    });
}

#[test]
fn a_message_that_panics_when_dropped_keeps_no_other_in_the_mailbox() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        worker.tell(Do::panic("boom"));
        eventually(SOON, || worker.state() == ActorState::BackingOff).await;
        let bomb = Bomb;
        worker.tell(Do::new(move |_, _| drop(bomb)));
        let dropped = Arc::new(AtomicBool::new(false));
        let slot = Slot(Arc::clone(&dropped));
        worker.tell(Do::new(move |_, _| drop(slot)));
        worker.stop("test");
        worker.exited().await;
        assert!(dropped.load(Ordering::SeqCst));
    });
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb went off");
    }
}

#[test]
fn a_question_may_be_asked_from_any_runtime() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        assert_eq!(is_send(worker.ask(Add, SOON)).await, Ok(1));
        assert_eq!(
            is_send(ask(&worker.addr().clone().recipient::<Add>(), Add, SOON)).await,
            Ok(2)
        );
        is_send(tree.clone()).shutdown("over").await;
    });
}

#[test]
fn after_the_end_messages_come_back_or_are_dropped() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        worker.stop("test");
        worker.exited().await;
        assert!(worker.try_tell(Note(1)).is_err_and(|message| message.0 == 1));
        assert_eq!(worker.ask(Add, SOON).await, Err(AskError::Over));
        let dropped = Arc::new(AtomicBool::new(false));
        let slot = Slot(Arc::clone(&dropped));
        worker.tell(Do::new(move |_, _| drop(slot)));
        assert!(dropped.load(Ordering::SeqCst));
    });
}

#[test]
fn a_question_has_a_deadline() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        worker.tell(Do::new(|_, ctx| {
            ctx.wait(wrap_future(tokio::time::sleep(Duration::from_secs(60))));
        }));
        let asked = Instant::now();
        assert_eq!(
            worker.ask(Add, Duration::from_secs(2)).await,
            Err(AskError::TimedOut)
        );
        assert_eq!(asked.elapsed().as_secs(), 2);
        assert_eq!(
            worker.ask(Add, Duration::from_secs(60)).await,
            Ok(1),
            "the first question was not handled late"
        );
        tree.shutdown("over").await;
    });
}

#[test]
fn a_recipient_is_told_and_asked_like_an_address() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        tell(&worker.addr().clone().recipient::<Note>(), Note(7));
        assert_eq!(
            ask(&worker.addr().clone().recipient::<Add>(), Add, SOON).await,
            Ok(1)
        );
        assert_eq!(handled(&journal), ["7"]);
        tree.shutdown("over").await;
    });
}

#[test]
fn an_address_from_inside_stays_the_same_over_restarts() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        worker.tell(Do::new(|_, ctx| {
            // Nobody waits for it if the test has failed.
            let _ = sender.send(ctx.address());
        }));
        let inner = receiver.await.expect("the actor answers");
        worker.tell(Do::panic("boom"));
        eventually(SOON, || journal.count("worker started") == 2).await;
        assert_eq!(&inner, worker.addr());
        assert_eq!(ask(&inner, Add, SOON).await, Ok(1));
        tree.shutdown("over").await;
    });
}

#[test]
fn an_actor_does_not_end_with_its_last_address() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        drop(worker(&tree, &journal));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(journal.read(), ["worker started"]);
        tree.shutdown("over").await;
        assert!(journal.has("worker stopped"));
    });
}

#[test]
fn a_flooded_actor_lets_others_have_their_turn() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let flooded = worker(&tree, &journal);
        let other = {
            let journal = journal.clone();
            tree.spawn(ChildSpec::permanent("other"), move || {
                Worker::new("other", &journal)
            })
        };
        eventually(SOON, || journal.has("other started")).await;
        for number in 0..10_000 {
            flooded.tell(Note(number));
        }
        other.tell(Note(0));
        eventually(SOON, || handled(&journal).len() == 10_000).await;
        let before = journal
            .read()
            .iter()
            .position(|entry| entry == "other handled 0")
            .expect("it was handled");
        assert!(before < 1000, "the other one waited for {before} messages");
        tree.shutdown("over").await;
    });
}
