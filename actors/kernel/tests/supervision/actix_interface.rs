//! What actix promises about an actor's context holds for the kernel's.

use std::time::Duration;

use actix::fut::wrap_future;
use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, AtomicResponse, Handler, Message, ResponseActFuture,
    SpawnHandle, StreamHandler,
};
use futures_util::stream;
use jobber_kernel::testing::{eventually, run_paused};
use jobber_kernel::{Child, ChildRef, ChildSpec, Context, Tree};
use tokio::time::{Instant, sleep};

use crate::worker::{Do, Journal, Note, SOON, Worker};

/// Answers late.
struct Slow(Journal);

impl Actor for Slow {
    type Context = Context<Self>;
}

impl Child for Slow {
    const KIND: &'static str = "slow";
}

/// Answers its own number after a second; other messages are handled meanwhile.
#[derive(Message)]
#[rtype(result = "u32")]
struct Echo(u32);

impl Handler<Echo> for Slow {
    type Result = ResponseActFuture<Self, u32>;

    fn handle(&mut self, Echo(number): Echo, _: &mut Self::Context) -> Self::Result {
        Box::pin(
            wrap_future(sleep(Duration::from_secs(1))).map(move |(), slow: &mut Self, _| {
                slow.0.note(format!("echo {number}"));
                number
            }),
        )
    }
}

/// As [`Echo`], and nothing else is handled meanwhile.
#[derive(Message)]
#[rtype(result = "u32")]
struct Exclusive(u32);

impl Handler<Exclusive> for Slow {
    type Result = AtomicResponse<Self, u32>;

    fn handle(&mut self, Exclusive(number): Exclusive, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(
            wrap_future(sleep(Duration::from_secs(1))).map(move |(), _: &mut Self, _| number),
        ))
    }
}

impl StreamHandler<u32> for Slow {
    fn handle(&mut self, number: u32, ctx: &mut Self::Context) {
        self.0.note(format!("item {number}"));
        // actix's streams rest while the actor waits, and count on being polled again afterwards.
        ctx.wait(wrap_future(sleep(Duration::from_secs(1))));
    }

    fn finished(&mut self, _: &mut Self::Context) {
        self.0.note("finished");
    }
}

/// Feeds the actor from a stream.
#[derive(Message)]
#[rtype(result = "()")]
struct Feed(Vec<u32>);

impl Handler<Feed> for Slow {
    type Result = ();

    fn handle(&mut self, Feed(items): Feed, ctx: &mut Self::Context) {
        ctx.add_stream(stream::iter(items));
    }
}

fn slow(tree: &Tree, journal: &Journal) -> ChildRef<Slow> {
    let journal = journal.clone();
    tree.spawn(ChildSpec::permanent("slow"), move || Slow(journal.clone()))
}

fn worker(tree: &Tree, journal: &Journal) -> ChildRef<Worker> {
    let journal = journal.clone();
    tree.spawn(ChildSpec::permanent("worker"), move || {
        Worker::new("worker", &journal)
    })
}

#[test]
fn answers_may_come_later_and_together() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let slow = slow(&tree, &journal);
        let asked = Instant::now();
        let answers = tokio::join!(
            slow.ask(Echo(1), SOON),
            slow.ask(Echo(2), SOON),
            slow.ask(Echo(3), SOON)
        );
        assert_eq!(answers, (Ok(1), Ok(2), Ok(3)));
        assert_eq!(asked.elapsed().as_secs(), 1);
        tree.shutdown("over").await;
    });
}

#[test]
fn an_atomic_answer_holds_up_what_comes_after_it() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let slow = slow(&tree, &journal);
        let asked = Instant::now();
        let answers = tokio::join!(slow.ask(Exclusive(1), SOON), slow.ask(Exclusive(2), SOON));
        assert_eq!(answers, (Ok(1), Ok(2)));
        assert_eq!(asked.elapsed().as_secs(), 2);
        tree.shutdown("over").await;
    });
}

#[test]
fn a_stream_goes_on_after_the_actor_has_waited() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        slow(&tree, &journal).tell(Feed(vec![1, 2, 3]));
        eventually(SOON, || journal.has("finished")).await;
        assert_eq!(journal.read(), ["item 1", "item 2", "item 3", "finished"]);
        tree.shutdown("over").await;
    });
}

#[test]
fn a_future_can_be_cancelled_before_and_while_it_runs_and_by_itself() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        worker.tell(Do::new(|_, ctx| {
            let never = ctx.run_later(Duration::ZERO, |worker, _| {
                worker.journal.note("cancelled too late");
            });
            ctx.cancel_future(never);
            let ticking = ctx.run_interval(Duration::from_secs(1), |worker, _| worker.journal.note("tick"));
            ctx.run_later(Duration::from_millis(3500), move |_, ctx| {
                ctx.cancel_future(ticking);
            });
            ctx.run_interval(Duration::from_secs(1), |worker, ctx| {
                worker.journal.note("once");
                let own = ctx.handle();
                assert_ne!(own, SpawnHandle::default());
                ctx.cancel_future(own);
            });
        }));
        sleep(Duration::from_secs(60)).await;
        assert_eq!((journal.count("tick"), journal.count("once")), (3, 1));
        assert!(!journal.has("cancelled too late"));
        tree.shutdown("over").await;
    });
}

#[test]
fn a_future_that_is_cancelled_by_its_neighbour_does_not_run_in_the_same_moment() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        worker(&tree, &journal).tell(Do::new(|_, ctx| {
            let (sender, receiver) = std::sync::mpsc::sync_channel(1);
            ctx.run_later(Duration::from_secs(1), move |worker, ctx| {
                worker.journal.note("first");
                ctx.cancel_future(receiver.recv().expect("it was sent below"));
            });
            let second = ctx.run_later(Duration::from_secs(1), |worker, _| worker.journal.note("second"));
            sender.send(second).expect("there is room for one");
        }));
        sleep(Duration::from_secs(60)).await;
        assert!(journal.has("first") && !journal.has("second"));
        tree.shutdown("over").await;
    });
}

#[test]
fn an_actor_may_send_to_itself_now_and_later() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        worker(&tree, &journal).tell(Do::new(|_, ctx| {
            ctx.notify_later(Note(2), Duration::from_secs(1));
            ctx.notify(Note(1));
        }));
        eventually(SOON, || journal.has("worker handled 2")).await;
        assert_eq!(
            journal.read(),
            ["worker started", "worker handled 1", "worker handled 2"]
        );
        tree.shutdown("over").await;
    });
}

#[test]
fn the_last_wait_comes_first_and_messages_after_all_of_them() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = worker(&tree, &journal);
        worker.tell(Do::new(|_, ctx| {
            for number in [1, 2] {
                let wait = wrap_future::<_, Worker>(sleep(Duration::from_secs(1)));
                ctx.wait(wait.map(move |(), worker, _| worker.journal.note(format!("waited {number}"))));
            }
        }));
        worker.tell(Note(1));
        eventually(SOON, || journal.has("worker handled 1")).await;
        assert_eq!(
            journal.read(),
            ["worker started", "waited 2", "waited 1", "worker handled 1"]
        );
        tree.shutdown("over").await;
    });
}

#[test]
fn an_actor_that_terminates_is_not_asked() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let worker = {
            let journal = journal.clone();
            tree.spawn(ChildSpec::transient("worker"), move || {
                Worker::new("worker", &journal)
            })
        };
        worker.tell(Do::new(|_, ctx| ctx.terminate()));
        worker.tell(Note(1));
        worker.exited().await;
        assert_eq!(
            journal.read(),
            ["worker started", "worker stopped", "worker dropped"]
        );
    });
}

#[test]
fn a_future_that_keeps_an_actor_busy_does_not_starve_the_arbiter() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let busy = worker(&tree, &journal);
        busy.tell(Do::new(|_, ctx| again(ctx)));
        // Paused time stands still while anything is busy: only others' turns pass.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        busy.stop("test");
        busy.exited().await;
    });
}

/// Does nothing but call itself.
fn again(ctx: &mut Context<Worker>) {
    ctx.spawn(wrap_future(async {}).map(|(), _, ctx| again(ctx)));
}
