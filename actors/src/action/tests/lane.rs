//! The lane: admission, order, and what comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jobber_kernel::Tasks;
use jobber_kernel::testing::run_paused;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::action::{Lane, LaneLimits, Placed};
use crate::domain::{InvocationId, RunnerId, TriggerId};
use crate::invocation::{
    HttpInput, Input, InputBody, Invocation, Outcome, PendingReply, Refusal, TimeoutPhase, TriggerRef,
    reply_channel,
};
use crate::log_sink::{LOG_RING_LIMITS, LogIntake, LogRate, LogRing};
use crate::session::{Session, SessionContext};
use crate::testing::{FakeFunctionStore, START};
use crate::trace::TraceContext;

const WAIT: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(60);

fn lane(queue_length: u32) -> Arc<Lane> {
    Lane::new(
        LaneLimits {
            queue_length,
            queue_wait: WAIT,
            timeout: TIMEOUT,
        },
        Arc::default(),
    )
}

/// A session that takes invocations and never answers them.
fn session() -> Arc<Session> {
    let context = SessionContext {
        tasks: Arc::new(Tasks::new("session")),
        io: Handle::current(),
        logs: Arc::new(LogIntake::new(
            Arc::new(LogRing::new(LOG_RING_LIMITS)),
            LogRate::default(),
        )),
        functions: Arc::new(FakeFunctionStore::default()),
        mqtt: Arc::default(),
    };
    Session::new(RunnerId::generate(), &[], context)
}

fn admitted(lane: &Arc<Lane>) -> Result<(Invocation, PendingReply), Refusal> {
    let permit = lane.admit()?;
    let (reply, pending) = reply_channel();
    let http = HttpInput {
        method: "GET".into(),
        target: "/".into(),
        scheme: "http".into(),
        authority: "test".into(),
        headers: Vec::new(),
        params: BTreeMap::new(),
        ip: [127, 0, 0, 1].into(),
        size: None,
    };
    let invocation = Invocation {
        id: InvocationId::generate(),
        attempt: 1,
        trace: TraceContext::root(),
        trigger: TriggerRef {
            id: TriggerId::generate(),
            name: None,
        },
        input: Input::Http { http: Box::new(http) },
        body: InputBody::Whole(Bytes::new()),
        admitted: Instant::now(),
        reply,
        permit,
    };
    Ok((invocation, pending))
}

/// Counts how often a lane wakes its actor.
struct Wakes(Arc<AtomicU32>);

impl Wakes {
    fn of(lane: &Arc<Lane>) -> Self {
        let wakes = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&wakes);
        lane.on_change(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        Self(wakes)
    }

    /// How often since this was asked before.
    fn take(&self) -> u32 {
        self.0.swap(0, Ordering::SeqCst)
    }
}

fn place(lane: &Arc<Lane>) -> (Placed, PendingReply) {
    let (invocation, pending) = admitted(lane).expect("there is room");
    (lane.place(invocation, Instant::now()), pending)
}

#[test]
fn a_lane_admits_what_its_queue_and_its_free_slots_hold() {
    run_paused(async {
        let lane = lane(2);
        let now = Instant::now();
        lane.add_runner(session(), START, 3, false, now);
        let permits: Vec<_> = (0..5).map(|_| lane.admit().expect("there is room")).collect();
        assert_eq!(lane.admit().err(), Some(Refusal::QueueFull { limit: 2 }));
        drop(permits);
        assert_eq!(lane.gauge().waiting, 0);
        assert_eq!(lane.gauge().refused, 1);
        assert!(lane.admit().is_ok());
    });
}

#[test]
fn a_queue_of_no_length_still_hands_over() {
    run_paused(async {
        let lane = lane(0);
        lane.add_runner(session(), START, 1, false, Instant::now());
        assert_eq!(place(&lane).0, Placed::Dispatched);
    });
}

#[test]
fn the_oldest_goes_first_and_to_the_least_busy_runner() {
    run_paused(async {
        let lane = lane(10);
        let queued: Vec<_> = (0..5).map(|_| place(&lane)).collect();
        assert!(queued.iter().all(|(placed, _)| *placed == Placed::Queued));
        let now = Instant::now();
        let (one, two) = (session(), session());
        lane.add_runner(Arc::clone(&one), START, 2, false, now);
        lane.add_runner(Arc::clone(&two), START, 2, false, now);
        let advance = lane.advance(now);
        assert_eq!((advance.dispatched, advance.queued), (4, 1));
        assert_eq!((one.open_streams(), two.open_streams()), (2, 2));
        // Who is left is the youngest.
        let gone: Vec<_> = queued.into_iter().map(|(_, pending)| pending).collect();
        lane.close(&Refusal::ShuttingDown);
        let last = gone.into_iter().last().expect("there were five");
        assert!(matches!(
            last.outcome().await,
            Outcome::Refused(Refusal::ShuttingDown)
        ));
    });
}

#[test]
fn a_new_one_does_not_overtake_the_queue() {
    run_paused(async {
        let lane = lane(10);
        assert_eq!(place(&lane).0, Placed::Queued);
        lane.add_runner(session(), START, 5, false, Instant::now());
        assert_eq!(place(&lane).0, Placed::Queued);
        assert_eq!(lane.advance(Instant::now()).dispatched, 2);
    });
}

#[test]
fn what_a_dead_session_does_not_take_goes_to_another_or_waits() {
    run_paused(async {
        let lane = lane(10);
        let (dead, alive) = (session(), session());
        dead.close();
        lane.add_runner(dead, START, 5, false, Instant::now());
        let (placed, _first) = place(&lane);
        assert_eq!(placed, Placed::Queued);
        assert_eq!((lane.gauge().waiting, lane.gauge().running), (1, 0));
        lane.add_runner(Arc::clone(&alive), START, 5, false, Instant::now());
        assert_eq!(lane.advance(Instant::now()).dispatched, 1);
        assert_eq!(alive.open_streams(), 1);
        assert_eq!((lane.gauge().waiting, lane.gauge().running), (0, 1));
    });
}

#[test]
fn a_runner_for_a_single_use_takes_one_and_one_that_stops_accepting_none() {
    run_paused(async {
        let lane = lane(10);
        let (single, stopped) = (session(), session());
        lane.add_runner(Arc::clone(&single), START, 5, true, Instant::now());
        lane.add_runner(Arc::clone(&stopped), START, 5, false, Instant::now());
        lane.stop_accepting(stopped.runner());
        let (first, _one) = place(&lane);
        let (second, _two) = place(&lane);
        assert_eq!((first, second), (Placed::Dispatched, Placed::Queued));
        assert_eq!((single.open_streams(), stopped.open_streams()), (1, 0));
    });
}

#[test]
fn a_sweep_forgets_who_left_and_tells_who_waited_too_long() {
    run_paused(async {
        let lane = lane(10);
        let (_, leaves) = place(&lane);
        let (_, waits) = place(&lane);
        let next = lane.sweep(Instant::now()).next;
        assert_eq!(next, Some(Instant::now() + WAIT));
        drop(leaves);
        assert!(lane.wants_sweep());
        lane.sweep(Instant::now());
        assert_eq!(lane.gauge().waiting, 1);
        tokio::time::advance(WAIT).await;
        assert_eq!(lane.sweep(Instant::now()).next, None);
        let outcome = waits.outcome().await;
        assert!(matches!(outcome, Outcome::TimedOut { phase: TimeoutPhase::Queue, after } if after == WAIT));
        assert_eq!(lane.gauge().waiting, 0);
    });
}

#[test]
fn the_actor_is_woken_once_for_many_changes_and_for_those_before_it_listened() {
    run_paused(async {
        let lane = lane(10);
        let wakes = Wakes::of(&lane);
        assert_eq!(wakes.take(), 1, "it looks once at the start");
        lane.looked_at();
        let pending: Vec<_> = (0..3).map(|_| place(&lane).1).collect();
        drop(pending);
        assert_eq!(wakes.take(), 1);
        lane.looked_at();
        let (_, pending) = place(&lane);
        drop(pending);
        assert_eq!(wakes.take(), 1);
    });
}

#[test]
fn a_runner_that_falls_idle_wakes_only_who_watches_or_waits() {
    run_paused(async {
        let lane = lane(10);
        let wakes = Wakes::of(&lane);
        let fall_idle = |lane: &Arc<Lane>| {
            lane.looked_at();
            wakes.take();
            let runner = session();
            lane.add_runner(Arc::clone(&runner), START, 1, false, Instant::now());
            let (placed, _pending) = place(lane);
            assert_eq!(placed, Placed::Dispatched);
            // Its permits come back as the session's streams go.
            runner.close_streams_for_test();
            lane.remove_runner(runner.runner());
            wakes.take()
        };
        assert_eq!(fall_idle(&lane), 1, "the first has a time to be kept");
        assert_eq!(fall_idle(&lane), 0);
        lane.watch_idle(true);
        assert_eq!(fall_idle(&lane), 1);
    });
}

#[test]
fn a_closed_lane_admits_nothing_and_refuses_what_was_on_its_way() {
    run_paused(async {
        let lane = lane(10);
        let (on_its_way, pending) = admitted(&lane).expect("there is room");
        assert!(
            !lane.close_if_idle(&Refusal::ShuttingDown),
            "somebody was admitted"
        );
        lane.close(&Refusal::ShuttingDown);
        assert_eq!(lane.admit().err(), Some(Refusal::ShuttingDown));
        assert_eq!(lane.place(on_its_way, Instant::now()), Placed::Refused);
        assert!(matches!(
            pending.outcome().await,
            Outcome::Refused(Refusal::ShuttingDown)
        ));
        assert_eq!(lane.gauge().waiting, 0);
        let idle = self::lane(1);
        assert!(idle.close_if_idle(&Refusal::ShuttingDown));
        assert!(idle.admit().is_err());
    });
}

#[test]
fn a_session_that_goes_with_its_slot_gives_back_its_permits() {
    run_paused(async {
        let lane = lane(10);
        let runner = session();
        lane.add_runner(Arc::clone(&runner), START, 5, false, Instant::now());
        let (_, pending) = place(&lane);
        let id = runner.runner();
        drop(runner);
        // The slot holds the last reference; dropping it under the lane's lock would never end.
        lane.remove_runner(id);
        assert!(matches!(pending.outcome().await, Outcome::Lost(_)));
        assert_eq!((lane.gauge().waiting, lane.gauge().running), (0, 0));
    });
}

#[test]
fn the_actor_is_woken_when_a_time_is_to_be_kept_that_it_does_not_know_of() {
    run_paused(async {
        let lane = lane(10);
        let wakes = Wakes::of(&lane);
        let woken = |lane: &Arc<Lane>| {
            lane.looked_at();
            wakes.take() > 0
        };
        assert!(woken(&lane));
        let runner = session();
        lane.add_runner(Arc::clone(&runner), START, 2, false, Instant::now());
        let (_, _first) = place(&lane);
        assert!(woken(&lane) && lane.wants_sweep());
        assert_eq!(lane.sweep(Instant::now()).next, Some(Instant::now() + TIMEOUT));
        tokio::time::advance(Duration::from_secs(1)).await;
        let (_, _second) = place(&lane);
        assert!(!woken(&lane), "the first is over before");
        let (_, _waits) = place(&lane);
        assert!(woken(&lane) && lane.wants_sweep(), "its wait is over even sooner");
        assert_eq!(lane.sweep(Instant::now()).next, Some(Instant::now() + WAIT));
    });
}

#[test]
fn what_waits_wakes_an_actor_that_does_not_watch_only_if_there_is_room() {
    run_paused(async {
        let lane = lane(10);
        let wakes = Wakes::of(&lane);
        lane.add_runner(session(), START, 1, false, Instant::now());
        let (_, _runs) = place(&lane);
        let (_, _waits) = place(&lane);
        lane.looked_at();
        lane.sweep(Instant::now());
        wakes.take();
        lane.watch_queue(false);
        let (placed, _waits_too) = place(&lane);
        assert_eq!((placed, wakes.take()), (Placed::Queued, 0));
        // Whoever makes room and hands it out may do so while another invocation is on its way into the queue.
        lane.add_runner(session(), START, 1, false, Instant::now());
        let (placed, _last) = place(&lane);
        assert_eq!((placed, wakes.take()), (Placed::Queued, 1));
        assert_eq!(lane.advance(Instant::now()).dispatched, 1);
    });
}

#[test]
fn what_comes_back_from_a_runner_that_is_gone_waits_with_its_time_kept() {
    run_paused(async {
        let lane = lane(10);
        let runner = session();
        lane.add_runner(Arc::clone(&runner), START, 2, false, Instant::now());
        runner.close_streams_for_test();
        let (placed, pending) = place(&lane);
        assert_eq!(placed, Placed::Queued);
        assert!(lane.wants_sweep(), "nobody kept its time until now");
        assert_eq!(lane.sweep(Instant::now()).next, Some(Instant::now() + WAIT));

        assert!(!lane.wants_sweep());
        drop(pending);
        assert!(lane.wants_sweep(), "its caller gave up");
        lane.sweep(Instant::now());
        assert_eq!(lane.gauge().waiting, 0);
    });
}
