//! What of a broker connection must survive its actor: the messages that are not acknowledged, those that wait for a place in
//! the action's lane, and what the broker was told.
//!
//! Locks: the line's state is locked before a lane's, never the other way round, and no invocation is handed over under it,
//! for that may answer at once.

mod flow;
mod intake;
mod status;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use chrono::{DateTime, Utc};
use foldhash::quality::RandomState;
pub use status::{CountsByQos, LineCounts, LineState, LineStatus};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::flow::{Part, Unkept};
use super::copies::Copies;
use super::outlet::Outlet;
use super::router::TopicRouter;
use super::seed::MqttSeed;
use super::subscriptions::{change, subscriptions};
use super::window::{AckWindow, WindowLimits};
use crate::action::ActionHandle;
use crate::clock::Clock;
use crate::delivery::DeliveryDesk;
use crate::domain::JobId;
use crate::invocation::TriggerRef;
use crate::manifest::{QualityOfService, RetryPolicy};
use crate::ports::{SessionName, Subscription};
use crate::topic::TopicFilter;

/// A trigger as its line knows it.
#[derive(Debug)]
struct Target {
    trigger: TriggerRef,
    action: ActionHandle,
    retries: RetryPolicy,
}

/// What the broker was told.
#[derive(Default)]
struct Told {
    /// All that is wanted was asked for, and nothing else is left: there is nothing to compare.
    agreed: bool,
    /// Answered, by filter.
    subscribed: BTreeMap<TopicFilter, Subscription>,
    /// Asked for on the present connection and not answered.
    asked: BTreeMap<TopicFilter, Subscription>,
    /// Given up, without a word of the broker on that.
    given_up: BTreeSet<TopicFilter>,
    /// Refused, with the reason.
    refused: BTreeMap<TopicFilter, String>,
}

struct State {
    targets: Vec<Arc<Target>>,
    router: TopicRouter<usize>,
    /// The targets of one message; kept for its memory.
    matched: Vec<usize>,
    /// Makes numbers of messages' contents. Nobody else knows which.
    contents: RandomState,
    wanted: Vec<Subscription>,
    /// The identifiers of the wanted subscriptions.
    identifiers: TopicRouter<u32>,
    told: Told,
    window: AckWindow,
    /// The connection was told that there are acknowledgements to be sent, and has not looked yet.
    news_told: bool,
    copies: Copies,
    /// In the order in which they came.
    waiting: VecDeque<Part>,
    /// Failed, and not in the durable queue yet.
    unkept: VecDeque<Unkept>,
    /// The durable queue has no room for the job's failed messages.
    queue_full: bool,
    /// Nothing is handed over before this.
    hold_until: Option<Instant>,
    /// Parts that are with the action, or on their way to the durable queue.
    running: usize,
    leaving: bool,
    /// The connection reads nothing until there is room.
    paused: bool,
    network: LineState,
    since: DateTime<Utc>,
    connected: Option<Instant>,
    counts: CountsByQos,
}

/// The messages of one connection.
pub(super) struct Line {
    me: Weak<Line>,
    job: JobId,
    broker: String,
    client_id: String,
    desk: Arc<DeliveryDesk>,
    clock: Clock,
    outlet: Outlet,
    state: Mutex<State>,
    /// There may be a command for the connection.
    command: Notify,
    /// What waits may go on.
    moved: Notify,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("broker", &self.broker)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Whose line it is.
#[derive(Clone, Debug)]
pub(super) struct LineName {
    pub(super) job: JobId,
    pub(super) broker: String,
    pub(super) client_id: String,
}

impl Line {
    /// A line without triggers.
    pub(super) fn new(
        name: LineName,
        limits: WindowLimits,
        desk: Arc<DeliveryDesk>,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            job: name.job,
            broker: name.broker,
            client_id: name.client_id,
            desk,
            clock,
            outlet: Outlet::default(),
            state: Mutex::new(State {
                targets: Vec::new(),
                router: TopicRouter::default(),
                matched: Vec::new(),
                contents: RandomState::default(),
                wanted: Vec::new(),
                identifiers: TopicRouter::default(),
                told: Told::default(),
                window: AckWindow::new(limits),
                news_told: false,
                copies: Copies::default(),
                waiting: VecDeque::new(),
                unkept: VecDeque::new(),
                queue_full: false,
                hold_until: None,
                running: 0,
                leaving: false,
                paused: false,
                network: LineState::Connecting,
                since: clock.now(),
                connected: None,
                counts: CountsByQos::default(),
            }),
            command: Notify::new(),
            moved: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Changed in whole steps; nothing that can panic runs between them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose it is.
    pub(super) fn job(&self) -> JobId {
        self.job
    }

    /// What the broker knows it by.
    pub(super) fn session(&self) -> SessionName {
        SessionName {
            broker: self.broker.clone(),
            client_id: self.client_id.clone(),
        }
    }

    /// What its functions publish.
    pub(super) fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// Serves these triggers from now on, each with those of its filters that belong to this line.
    pub(super) fn serve(&self, seeds: &[(Arc<MqttSeed>, Vec<TopicFilter>)]) {
        let mut filters: Vec<(TopicFilter, QualityOfService)> = Vec::new();
        let mut router = TopicRouter::default();
        let mut targets = Vec::new();
        for (index, (seed, topics)) in seeds.iter().enumerate() {
            for topic in topics {
                router.insert(topic, index);
                filters.push((topic.clone(), seed.qos));
            }
            targets.push(Arc::new(Target {
                trigger: seed.trigger.clone(),
                action: seed.action.clone(),
                retries: seed.retries.clone(),
            }));
        }
        let wanted = subscriptions(&filters);
        let mut identifiers = TopicRouter::default();
        for subscription in &wanted {
            identifiers.insert(&subscription.filter, subscription.identifier);
        }
        let mut state = self.lock();
        state.targets = targets;
        state.router = router;
        state.identifiers = identifiers;
        state.wanted = wanted;
        state.told.agreed = false;
        state.hold_until = None;
        drop(state);
        self.command.notify_waiters();
        self.moved.notify_waiters();
    }

    /// Hands nothing over any more, lets finish what runs, and then takes leave of the broker.
    pub(super) fn leave(&self) {
        self.lock().leaving = true;
        self.command.notify_waiters();
        self.moved.notify_waiters();
    }

    /// Whether it is to take leave.
    pub(super) fn is_leaving(&self) -> bool {
        self.lock().leaving
    }

    /// Resolves when it has finished what ran when it was told to leave.
    pub(super) async fn finished(&self) {
        self.when_moved(|state| (state.leaving && state.is_idle()).then_some(()))
            .await;
    }

    /// It serves on, after it was told to leave.
    pub(super) fn stay(&self) {
        self.lock().leaving = false;
        self.outlet.open();
        self.moved.notify_waiters();
    }

    /// The connection ended, or could not be made. The broker sends again what was not acknowledged. Gives since when it was
    /// connected, if it was.
    pub(super) fn disconnected(&self, network: LineState) -> Option<Instant> {
        let mut state = self.lock();
        state.window.disconnected();
        state.told.asked.clear();
        state.told.agreed = false;
        let connected = state.connected.take();
        if state.network != network {
            state.network = network;
            // A reason that changes while it is not connected is no news of the connection.
            if connected.is_some() {
                state.since = self.clock.now();
            }
        }
        connected
    }

    /// Another server has the session. `clean` is a session that the broker forgets with its connection.
    pub(super) fn elsewhere(&self, clean: bool) {
        self.let_go(clean);
        self.disconnected(LineState::Elsewhere);
    }

    /// The session may be another server's from here on: what this one knew of it may hold no more.
    pub(super) fn let_go(&self, clean: bool) {
        {
            let mut state = self.lock();
            if !clean {
                state.leave_to_broker();
            }
            state.window.session_lost();
            state.told.may_have_changed();
        }
        self.moved.notify_waiters();
    }

    /// Whether there is room enough to connect again after there was none.
    pub(super) async fn roomy(&self) {
        self.when_moved(|state| state.window.is_half_free().then_some(()))
            .await;
    }

    /// Waits until `look` finds something; it looks whenever something moved.
    async fn when_moved<T>(&self, look: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Registered before the look, so that a move between the two is not missed.
            moved.as_mut().enable();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            moved.await;
        }
    }

    /// What can be seen of it.
    #[must_use]
    pub(super) fn status(&self) -> LineStatus {
        let state = self.lock();
        let refused = state.told.refused.iter();
        LineStatus {
            broker: self.broker.clone(),
            client_id: self.client_id.clone(),
            state: state.network.clone(),
            since: state.since,
            unanswered: change(&state.wanted, &state.told.subscribed).subscribe.len(),
            refused: refused
                .map(|(filter, reason)| (filter.as_str().to_owned(), reason.clone()))
                .collect(),
            queue_full: state.queue_full,
            counts: state.counts.sum(),
            by_qos: state.counts,
            open: state.window.open_messages(),
            waiting: state.waiting.len(),
        }
    }
}

impl State {
    fn target(&self, trigger: crate::domain::TriggerId) -> Option<&Arc<Target>> {
        self.targets.iter().find(|target| target.trigger.id == trigger)
    }

    /// Whether there are acknowledgements to be sent that the connection has not been told of. Whoever asks tells it.
    fn has_news(&mut self) -> bool {
        self.window.has_ready() && !std::mem::replace(&mut self.news_told, true)
    }

    /// Nothing is under way.
    fn is_idle(&self) -> bool {
        self.running == 0 && self.unkept.is_empty()
    }
}
