//! Parents and children.

use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext};
use jobber_kernel::testing::{eventually, run_paused};
use jobber_kernel::{
    ActorState, Backoff, Child, ChildExit, ChildRef, ChildSpec, Context, ExitReason, StopOrder, Tree,
    install_panic_hook,
};
use tokio::time::Instant;

use crate::worker::{Add, Do, Journal, Note, SOON, Worker, steady};

/// A parent with children of these names, which it starts whenever it is started.
fn family(
    tree: &Tree,
    journal: &Journal,
    spec: ChildSpec,
    names: &'static [&'static str],
) -> ChildRef<Worker> {
    install_panic_hook();
    let journal = journal.clone();
    tree.spawn(spec, move || {
        let of_children = journal.clone();
        Worker::new("parent", &journal).on_start(move |parent, ctx| {
            for name in names {
                let journal = of_children.clone();
                parent
                    .children
                    .push(ctx.spawn_child(steady(name), move || Worker::new(name, &journal)));
            }
        })
    })
}

#[test]
fn children_stop_before_their_parent_the_youngest_first() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = family(&tree, &journal, steady("parent"), &["first", "second"]);
        eventually(SOON, || journal.has("second started")).await;
        parent.stop("test");
        assert!(parent.exited().await.reason.is_clean());
        let entries = journal.read();
        let ends: Vec<_> = entries
            .iter()
            .filter(|entry| entry.ends_with("stopped") || entry.contains("told"))
            .collect();
        let expected = [
            "second stopped",
            "parent was told: second stopped: the parent is stopping",
            "first stopped",
            "parent was told: first stopped: the parent is stopping",
            "parent stopped",
        ];
        assert_eq!(ends, expected);
    });
}

#[test]
fn a_whole_tree_stops_from_its_leaves_up() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = family(&tree, &journal, steady("parent"), &["child"]);
        let of_leaf = journal.clone();
        parent.tell(Do::new(move |parent, _| {
            parent.children[0].tell(Do::new(move |_, ctx| {
                ctx.spawn_child(steady("leaf"), move || Worker::new("leaf", &of_leaf));
            }));
        }));
        eventually(SOON, || journal.has("leaf started")).await;
        tree.shutdown("over").await;
        let entries = journal.read();
        let stops: Vec<_> = entries
            .iter()
            .filter(|entry| entry.ends_with(" stopped"))
            .collect();
        assert_eq!(stops, ["leaf stopped", "child stopped", "parent stopped"]);
    });
}

#[test]
fn a_crash_of_the_parent_stops_its_children_and_the_new_state_starts_its_own() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = family(&tree, &journal, steady("parent"), &["first", "second"]);
        eventually(SOON, || journal.has("second started")).await;
        let before = tree.peek();
        parent.tell(Do::panic("boom"));
        eventually(SOON, || journal.count("second started") == 2).await;

        let entries = journal.read();
        let position = |what: &str| {
            entries
                .iter()
                .position(|entry| entry == what)
                .expect("it happened")
        };
        assert!(journal.has("first asked to stop: the parent crashed"));
        assert!(
            position("parent dropped") < position("first stopped"),
            "the broken state goes at once"
        );
        let second_life = entries
            .iter()
            .rposition(|entry| entry == "parent started")
            .expect("it was restarted");
        assert!(position("first stopped") < second_life && position("second stopped") < second_life);
        assert!(
            !entries.iter().any(|entry| entry.starts_with("parent was told")),
            "not of the old state's children"
        );
        let after = tree.peek();
        let id = |tree: &jobber_kernel::TreeNode, path| tree.find(path).expect("it is in the tree").id;
        assert_eq!(id(&before, "/parent"), id(&after, "/parent"));
        assert_ne!(id(&before, "/parent/first"), id(&after, "/parent/first"));
        tree.shutdown("over").await;
    });
}

#[test]
fn a_child_that_gave_up_fails_its_parent_unless_it_says_otherwise() {
    run_paused(async {
        install_panic_hook();
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = {
            let journal = journal.clone();
            tree.spawn(ChildSpec::transient("parent").backoff(Backoff::NONE), move || {
                let of_child = journal.clone();
                Worker::new("parent", &journal).on_start(move |_, ctx| {
                    let journal = of_child.clone();
                    ctx.spawn_child(ChildSpec::permanent("child").backoff(Backoff::NONE), move || {
                        Worker::new("child", &journal).on_start(|_, _| panic!("hopeless"))
                    });
                })
            })
        };
        let exit = parent.exited().await;
        let ExitReason::GaveUp { restarts: 5, last } = exit.reason else {
            panic!("{exit:?}")
        };
        assert!(
            last.message.contains("child gave up after 5 restarts: hopeless"),
            "{last}"
        );
        assert_eq!(journal.count("parent started"), 6);
        assert_eq!(journal.count("child started"), 36);
    });
}

/// Says nothing about its children.
struct Silent;

impl Actor for Silent {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn_child(
            ChildSpec::permanent("child").backoff(Backoff::NONE),
            || -> Worker { panic!("no state") },
        );
    }
}

impl Child for Silent {
    const KIND: &'static str = "silent";
}

#[test]
fn escalation_is_what_happens_if_nothing_is_said() {
    run_paused(async {
        install_panic_hook();
        let tree = Tree::new();
        let exit = tree
            .spawn(ChildSpec::temporary("silent"), || Silent)
            .exited()
            .await;
        let ExitReason::Crashed(failure) = exit.reason else {
            panic!("{exit:?}")
        };
        assert!(
            failure
                .message
                .starts_with("/silent/child gave up after 5 restarts: no state"),
            "{failure}"
        );
    });
}

#[test]
fn an_end_is_told_once_also_through_a_full_mailbox() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = family(&tree, &journal, steady("parent"), &["first", "second", "third"]);
        eventually(SOON, || journal.has("third started")).await;
        for number in 0..5000 {
            parent.tell(Note(number));
        }
        parent.tell(Do::new(|parent, _| {
            for child in &parent.children {
                child.kill();
            }
        }));
        eventually(SOON, || journal.has("parent handled 4999")).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        for child in ["first", "second", "third"] {
            assert_eq!(journal.count(&format!("parent was told: {child} killed")), 1);
        }
        assert_eq!(journal.count("parent started"), 1);
        tree.shutdown("over").await;
    });
}

#[test]
fn an_end_waits_for_a_parent_that_waits_for_a_future() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = family(&tree, &journal, steady("parent"), &["child"]);
        eventually(SOON, || journal.has("child started")).await;
        parent.tell(Do::new(|parent, ctx| {
            parent.children[0].kill();
            ctx.wait(actix::fut::wrap_future(tokio::time::sleep(Duration::from_secs(
                5,
            ))));
        }));
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(
            !journal.has("parent was told: child killed"),
            "a wait is a wait for everything"
        );
        eventually(SOON, || journal.has("parent was told: child killed")).await;
        tree.shutdown("over").await;
    });
}

#[test]
fn a_panic_while_told_of_a_child_is_a_crash_like_any_other() {
    run_paused(async {
        install_panic_hook();
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = {
            let journal = journal.clone();
            tree.spawn(steady("parent"), move || {
                Worker::new("parent", &journal).on_exit(|_, _, _| panic!("boom"))
            })
        };
        let of_child = journal.clone();
        parent.tell(Do::new(move |_, ctx| {
            ctx.spawn_child(ChildSpec::temporary("child"), move || {
                Worker::new("child", &of_child)
            })
            .kill();
        }));
        eventually(SOON, || journal.count("parent started") == 2).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let told = journal
            .read()
            .iter()
            .filter(|entry| entry.starts_with("parent was told"))
            .count();
        assert_eq!(told, 1, "the news does not come a second time");
        assert_eq!(parent.ask(Add, SOON).await, Ok(1));
        tree.shutdown("over").await;
    });
}

#[test]
fn a_panic_while_the_children_stop_keeps_none_of_them_alive() {
    run_paused(async {
        install_panic_hook();
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = {
            let journal = journal.clone();
            tree.spawn(steady("parent"), move || {
                let of_children = journal.clone();
                Worker::new("parent", &journal)
                    .on_exit(|_, _, _| panic!("boom"))
                    .on_start(move |_, ctx| {
                        for name in ["first", "second", "third"] {
                            let journal = of_children.clone();
                            ctx.spawn_child(steady(name), move || Worker::new(name, &journal));
                        }
                    })
            })
        };
        eventually(SOON, || journal.has("third started")).await;
        parent.stop("test");
        assert!(matches!(parent.exited().await.reason, ExitReason::Crashed(_)));
        for name in ["first", "second", "third"] {
            assert_eq!(journal.count(&format!("{name} stopped")), 1);
        }
        assert_eq!(journal.count("parent started"), 1);
    });
}

#[test]
fn killing_a_parent_kills_all_below_it() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = family(&tree, &journal, steady("parent"), &["first", "second"]);
        eventually(SOON, || journal.has("second started")).await;
        parent.kill();
        assert_eq!(parent.exited().await.reason, ExitReason::Killed);
        assert!(journal.has("first dropped") && journal.has("second dropped"));
        assert!(!journal.read().iter().any(|entry| entry.contains("asked to stop")));
    });
}

#[test]
fn a_kill_overtakes_a_stop_that_takes_too_long() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = family(&tree, &journal, steady("parent"), &["child"]);
        parent.tell(Do::new(|parent, _| {
            // The child is busy with something that outlasts this test's patience, and its grace is long.
            parent.children[0].tell(Do::new(|_, ctx| {
                ctx.wait(actix::fut::wrap_future(std::future::pending()));
            }));
        }));
        eventually(SOON, || journal.has("child started")).await;
        parent.stop("test");
        parent.kill();
        let asked = Instant::now();
        assert_eq!(parent.exited().await.reason, ExitReason::Killed);
        assert!(asked.elapsed() < Duration::from_millis(10));
    });
}

/// Starts children that take ten seconds to stop, and has them stopped all at once.
struct Crowd(Journal);

impl Actor for Crowd {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        for _ in 0..50 {
            let journal = self.0.clone();
            ctx.spawn_child(steady("slow").stop_grace(Duration::from_secs(20)), move || {
                Worker::new("slow", &journal).on_stop_requested(|_, ctx| {
                    ctx.run_later(Duration::from_secs(10), |_, ctx| ctx.stop());
                })
            });
        }
    }
}

impl Child for Crowd {
    const KIND: &'static str = "crowd";
    const STOP_CHILDREN: StopOrder = StopOrder::Together;

    fn child_exited(&mut self, exit: ChildExit, _: &mut Context<Self>) {
        self.0.note(format!("{}", exit.reason));
    }
}

#[test]
fn many_children_may_stop_together() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let crowd = {
            let journal = journal.clone();
            tree.spawn(ChildSpec::permanent("crowd"), move || Crowd(journal.clone()))
        };
        eventually(SOON, || journal.count("slow started") == 50).await;
        let asked = Instant::now();
        crowd.stop("test");
        assert!(crowd.exited().await.reason.is_clean());
        assert_eq!(asked.elapsed().as_secs(), 10);
        assert_eq!(journal.count("stopped: the parent is stopping"), 50);
    });
}

#[test]
fn a_parent_that_stops_takes_no_more_children() {
    run_paused(async {
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = {
            let journal = journal.clone();
            tree.spawn(steady("parent"), move || {
                let of_child = journal.clone();
                let of_late = journal.clone();
                Worker::new("parent", &journal)
                    .on_start(move |_, ctx| {
                        let journal = of_child.clone();
                        ctx.spawn_child(steady("child"), move || Worker::new("child", &journal));
                    })
                    .on_exit(move |_, _, ctx| {
                        let journal = of_late.clone();
                        let late = ctx.spawn_child(steady("late"), move || Worker::new("late", &journal));
                        assert!(late.is_over());
                    })
            })
        };
        eventually(SOON, || journal.has("child started")).await;
        let scope_outside = tree.scope();
        parent.stop("test");
        assert!(parent.exited().await.reason.is_clean());
        assert!(!journal.has("late started"));
        assert_eq!(scope_outside.path().as_str(), "/");
    });
}

#[test]
fn a_child_can_be_replaced_as_often_as_needed() {
    run_paused(async {
        install_panic_hook();
        let (tree, journal) = (Tree::new(), Journal::default());
        let parent = {
            let journal = journal.clone();
            tree.spawn(steady("parent"), move || {
                let (first, next) = (journal.clone(), journal.clone());
                let spawn = |ctx: &mut Context<Worker>, journal: Journal| {
                    ctx.spawn_child(ChildSpec::temporary("runner"), move || {
                        Worker::new("runner", &journal).on_start(|_, ctx| {
                            ctx.run_later(Duration::from_secs(1), |_, _| panic!("a runner died"));
                        })
                    });
                };
                Worker::new("parent", &journal)
                    .on_start(move |_, ctx| spawn(ctx, first.clone()))
                    .on_exit(move |_, _, ctx| spawn(ctx, next.clone()))
            })
        };
        tokio::time::sleep(Duration::from_secs(301)).await;
        assert!(journal.count("runner started") >= 300);
        assert_eq!(parent.state(), ActorState::Running);
        let remembered = tree
            .peek()
            .find("/parent")
            .expect("it is in the tree")
            .children
            .len();
        assert!(
            remembered <= 9,
            "of the dead only a few are remembered, not {remembered}"
        );
        tree.shutdown("over").await;
    });
}
