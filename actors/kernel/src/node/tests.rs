//! The records of actors, without actors.

use super::*;

fn root() -> Arc<Node> {
    actix::System::new().block_on(async { Node::root(Shared::new(0), actix::Arbiter::current()) })
}

#[test]
fn the_dead_are_remembered_and_their_records_released() {
    let root = root();
    let parent = Node::child(&root, "parent".into(), "test", root.arbiter.clone());
    assert!(root.family.adopt(&parent));
    parent.family.open();
    for _ in 0..100 {
        let child = Node::child(&parent, "child".into(), "test", root.arbiter.clone());
        assert!(parent.family.adopt(&child));
        child.end(ExitReason::Killed);
        child.end(ExitReason::Normal);
    }
    let remembered = parent.family.remembered();
    assert!(
        (1..10).contains(&remembered.len()),
        "{} are remembered",
        remembered.len()
    );
    assert_eq!(
        remembered[0].reason.as_deref(),
        Some("killed"),
        "an actor ends once"
    );
    parent.end(ExitReason::Normal);
    let released = Arc::downgrade(&parent);
    drop(parent);
    assert!(
        released.upgrade().is_none(),
        "nothing holds on to an actor that has ended"
    );
}

#[test]
fn each_end_is_told_once_and_in_order() {
    let root = root();
    let parent = Node::child(&root, "parent".into(), "test", root.arbiter.clone());
    parent.family.open();
    let children: Vec<_> = (0..3)
        .map(|number| {
            let child = Node::child(&parent, number.to_string(), "test", root.arbiter.clone());
            assert!(parent.family.adopt(&child));
            child
        })
        .collect();
    for number in [2, 0, 1] {
        children[number].end(ExitReason::Normal);
    }
    assert!(parent.has_exits());
    let told: Vec<_> = std::iter::from_fn(|| parent.pop_exit())
        .map(|exit| exit.name)
        .collect();
    assert_eq!(told, ["2", "0", "1"]);
    assert!(!parent.has_exits());
}

#[test]
fn an_actor_that_hangs_collects_no_observers() {
    let root = root();
    let node = Node::child(&root, "hanging".into(), "test", root.arbiter.clone());
    node.set_state(ActorState::Running, None);
    for _ in 0..1000 {
        // Each gives up waiting at once.
        drop(node.ask_observation());
    }
    assert!(locked(&node.observers).len() <= 1);
    let mut waiting = node.ask_observation().expect("it runs");
    node.observe(Value::Bool(true));
    assert_eq!(waiting.try_recv(), Ok(()));
    assert_eq!(node.status().observed, Value::Bool(true));
}
