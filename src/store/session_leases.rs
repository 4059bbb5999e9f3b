//! Leases of sessions with brokers, over all servers on the database.
//!
//! A lease is an advisory lock of one connection that is kept for that, so that Postgres lets go of it when the server ends, however it does.
//! While the database is out of reach, whoever has a lease keeps it: nobody else can be given it. Afterwards it is asked for anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use jobber_actors::ports::{Lease, LeaseState, SessionLeases, SessionName};
use rand::Rng;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;

use super::database::Database;
use super::error::{DatabaseError, describe};

/// How often a lease that another server has is asked for.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether the connection with the locks is still there.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Pauses before connecting again: the first, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// After the database was out of reach, servers first ask for what they had. Whoever is alive has noticed and is back within this: a look, an
/// answer that does not come, a pause, and the end of the former connection.
const OWNERS_FIRST: Duration = Duration::from_secs(8);
/// The end of a connection of our own that Postgres still has is waited for at most so long, looking so often.
const LAST_OF_FORMER: Duration = Duration::from_secs(1);
const LOOK_FOR_FORMER: Duration = Duration::from_millis(5);

const LOCK: &str = "
    select pg_try_advisory_lock(hashtextextended('jobber mqtt session ' || name, 0))
    from unnest($1::text[]) with ordinality as wanted (name, place)
    order by place";
const OWN: &str = "select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()";
/// Another connection may have been given the number since.
const END_FORMER: &str = "
    select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and backend_start = $2";
const UNLOCK: &str = "
    select pg_advisory_unlock(hashtextextended('jobber mqtt session ' || name, 0))
    from unnest($1::text[]) as given_back (name)";

/// Gives this server leases of sessions that no other server on the database has.
#[derive(Debug)]
pub struct PostgresSessionLeases {
    board: Arc<Board>,
    /// Whoever asks Postgres. It ends, and with it all leases, when this is dropped.
    _keeper: JoinSet<()>,
}

impl PostgresSessionLeases {
    /// Connects when the first lease is asked for. To be called on the runtime on which it is to work.
    #[must_use]
    pub fn new(database: Database) -> Self {
        let board: Arc<Board> = Arc::default();
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(database, Arc::clone(&board)));
        Self {
            board,
            _keeper: keeper,
        }
    }
}

impl SessionLeases for PostgresSessionLeases {
    fn claim(&self, session: SessionName) -> Lease {
        let state = {
            let mut wanted = self.board.wanted();
            let entry = wanted.entry(session.clone()).or_default();
            entry.claims += 1;
            entry.state.subscribe()
        };
        self.board.changed.notify_one();
        let board = Arc::clone(&self.board);
        Lease::new(state, Claim { board, session })
    }
}

/// Somebody of this server wants a lease.
struct Claim {
    board: Arc<Board>,
    session: SessionName,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // It is given back by the next look. Until then, and while there is no database, whoever asks anew still has it.
        if let Some(entry) = self.board.wanted().get_mut(&self.session) {
            entry.claims -= 1;
        }
        self.board.changed.notify_one();
    }
}

/// What this server wants, and how it stands with it.
#[derive(Debug, Default)]
struct Board {
    wanted: Mutex<BTreeMap<SessionName, Wanted>>,
    changed: Notify,
}

#[derive(Debug)]
struct Wanted {
    claims: usize,
    state: watch::Sender<LeaseState>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            claims: 0,
            state: watch::Sender::new(LeaseState::Asked),
        }
    }
}

impl Board {
    fn wanted(&self) -> MutexGuard<'_, BTreeMap<SessionName, Wanted>> {
        // Changed in whole steps; nothing that can panic runs between them.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wanted. What nobody wants any more is forgotten, and to be given back.
    fn sessions(&self) -> BTreeSet<SessionName> {
        let mut wanted = self.wanted();
        wanted.retain(|_, wanted| wanted.claims > 0);
        wanted.keys().cloned().collect()
    }

    /// Whether this server has it, as far as was known last.
    fn has_had(&self, session: &SessionName) -> bool {
        let wanted = self.wanted();
        let known = wanted.get(session);
        known.is_some_and(|wanted| *wanted.state.borrow() == LeaseState::Held)
    }

    fn tell(&self, session: &SessionName, state: LeaseState) {
        if let Some(wanted) = self.wanted().get(session) {
            wanted.tell(state);
        }
    }

    /// The database is out of reach. What this server has it keeps.
    fn out_of_reach(&self, error: &DatabaseError) {
        for wanted in self.wanted().values() {
            if *wanted.state.borrow() != LeaseState::Held {
                wanted.tell(LeaseState::Unknown(error.to_string()));
            }
        }
    }
}

impl Wanted {
    fn tell(&self, state: LeaseState) {
        self.state.send_if_modified(|known| {
            let news = *known != state;
            *known = state;
            news
        });
    }
}

/// Asks for what is wanted and gives back what is not, connection after connection.
async fn keep(database: Database, board: Arc<Board>) {
    let mut pause = FIRST_PAUSE;
    let mut former = None;
    loop {
        while board.wanted().is_empty() {
            board.changed.notified().await;
        }
        let before = former;
        let error = hold(&database, &board, &mut former).await;
        if former != before {
            pause = FIRST_PAUSE;
        }
        board.out_of_reach(&error);
        let jittered = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        tracing::warn!(%error, "the leases of MQTT sessions can not be asked for; trying again in {jittered:?}");
        sleep(jittered).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What Postgres knows a connection by.
type Backend = (i32, DateTime<Utc>);

/// Does so on one connection until that is lost. `former` is the last one on which leases were held, and becomes this one.
async fn hold(database: &Database, board: &Board, former: &mut Option<Backend>) -> DatabaseError {
    let (client, connection) = match database.dedicated().await {
        Ok(connected) => connected,
        Err(error) => return error,
    };
    let ended = connection.map(|ended| match ended {
        Ok(()) => DatabaseError::Connection("it was closed".to_owned()),
        Err(error) => DatabaseError::Connection(describe(&error)),
    });
    tokio::select! {
        error = ended => error,
        error = ask(&client, board, former) => error,
    }
}

async fn ask(client: &Client, board: &Board, former: &mut Option<Backend>) -> DatabaseError {
    let owners_only_until = match timeout(LAST_OF_FORMER + ANSWER, succeed(client, former)).await {
        Ok(Ok(true)) => Some(Instant::now() + OWNERS_FIRST),
        Ok(Ok(false)) => None,
        Ok(Err(error)) => return error,
        Err(_) => return no_answer(),
    };
    let mut held = BTreeSet::new();
    loop {
        let owners_only = owners_only_until.is_some_and(|until| Instant::now() < until);
        // A change that comes meanwhile leaves a permit, and is looked at next.
        let complete = match timeout(ANSWER, round(client, board, &mut held, owners_only)).await {
            Ok(Ok(complete)) => complete,
            Ok(Err(error)) => return error,
            Err(_) => return no_answer(),
        };
        let pause = if complete { LOOK_EVERY } else { ASK_EVERY };
        tokio::select! {
            () = board.changed.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

fn no_answer() -> DatabaseError {
    DatabaseError::Connection("no answer in time".to_owned())
}

/// Takes the place of the former connection, if there was one: Postgres may not have noticed yet that it is gone, and its locks would
/// seem to be another server's.
async fn succeed(client: &Client, former: &mut Option<Backend>) -> Result<bool, DatabaseError> {
    let row = client.query_one(OWN, &[]).await?;
    if let Some((process, begun)) = *former {
        let patience = Instant::now() + LAST_OF_FORMER;
        while !client.query(END_FORMER, &[&process, &begun]).await?.is_empty() && Instant::now() < patience {
            sleep(LOOK_FOR_FORMER).await;
        }
    }
    // Not before: until here it has no locks, and the former one may.
    Ok(former.replace((row.get(0), row.get(1))).is_some())
}

/// One look at what is wanted, or at what this server has had. Gives whether it has all that is wanted.
async fn round(
    client: &Client,
    board: &Board,
    held: &mut BTreeSet<SessionName>,
    owners_only: bool,
) -> Result<bool, DatabaseError> {
    let wanted = board.sessions();
    let given_back: Vec<SessionName> = held.difference(&wanted).cloned().collect();
    // Also with nothing in it: whether the connection is there is seen by that.
    client.query(UNLOCK, &[&names(&given_back)]).await?;
    held.retain(|session| wanted.contains(session));
    let mut missing: Vec<SessionName> = wanted.difference(held).cloned().collect();
    if owners_only {
        missing.retain(|session| board.has_had(session));
    }
    if !missing.is_empty() {
        let granted = client.query(LOCK, &[&names(&missing)]).await?;
        for (session, row) in missing.into_iter().zip(granted) {
            if row.get(0) {
                held.insert(session);
            } else {
                board.tell(&session, LeaseState::Elsewhere);
            }
        }
    }
    // Also what was held before: whoever wants it may have asked since.
    for session in &*held {
        board.tell(session, LeaseState::Held);
    }
    Ok(held.len() == wanted.len())
}

/// What the locks are named by. A client's id may have any character but a line's end.
fn names(sessions: &[SessionName]) -> Vec<String> {
    let name = |session: &SessionName| format!("{}\n{}", session.broker, session.client_id);
    sessions.iter().map(name).collect()
}
