//! Which of several servers on one database has a session with a broker.

use jobber::store::PostgresSessionLeases;
use jobber_actors::ports::{Lease, LeaseState, SessionLeases, SessionName};

use crate::support::{BreakablePostgres, TestDatabase, eventually};

/// Connections that have leases, by their processes.
const HOLDERS: &str = "
    select distinct pid from pg_locks
    where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())";

fn session(client_id: &str) -> SessionName {
    SessionName {
        broker: "mqtt://broker:1883".to_owned(),
        client_id: client_id.to_owned(),
    }
}

/// Waits until it stands like that with a lease.
async fn stands(lease: &mut Lease, wanted: &LeaseState) {
    eventually(&format!("{wanted:?}"), async || {
        (lease.state() == *wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_is_one_servers_until_that_lets_go_of_it() {
    let db = TestDatabase::new().await;
    let (one, other) = (
        PostgresSessionLeases::new(db.database.clone()),
        PostgresSessionLeases::new(db.database.clone()),
    );
    let (mut a, mut b) = (one.claim(session("a")), other.claim(session("b")));
    stands(&mut a, &LeaseState::Held).await;
    stands(&mut b, &LeaseState::Held).await;
    let mut wanted = other.claim(session("a"));
    stands(&mut wanted, &LeaseState::Elsewhere).await;
    // Within one server it may be wanted more than once.
    let mut again = one.claim(session("a"));
    stands(&mut again, &LeaseState::Held).await;
    drop(a);
    drop(one.claim(session("c")));
    let mut c = other.claim(session("c"));
    stands(&mut c, &LeaseState::Held).await;
    assert_eq!(wanted.state(), LeaseState::Elsewhere);
    drop(again);
    stands(&mut wanted, &LeaseState::Held).await;

    // A server that is gone has no lease.
    let mut wanted = one.claim(session("b"));
    stands(&mut wanted, &LeaseState::Elsewhere).await;
    drop(other);
    stands(&mut wanted, &LeaseState::Held).await;
}

#[tokio::test]
async fn a_lease_is_lost_only_to_another_server() {
    let db = TestDatabase::new().await;
    let leases = PostgresSessionLeases::new(db.database.clone());
    let mut lease = leases.claim(session("a"));
    stands(&mut lease, &LeaseState::Held).await;
    let operator = db.client().await;
    let holder = async || {
        let rows = operator.query(HOLDERS, &[]).await.unwrap();
        rows.first().map(|row| row.get::<_, i32>(0))
    };
    let first = holder().await.expect("a connection has it");
    operator
        .execute("select pg_terminate_backend($1)", &[&first])
        .await
        .unwrap();
    eventually("another connection with the lease", async || {
        holder().await.filter(|now| *now != first)
    })
    .await;
    assert_eq!(lease.state(), LeaseState::Held);

    // Another one has waited for it.
    let second = holder().await.unwrap();
    let thief = db.client().await;
    let lock = "select pg_advisory_lock(hashtextextended('jobber mqtt session ' || $1, 0))";
    let name = "mqtt://broker:1883\na";
    let taken = async {
        thief.query_one(lock, &[&name]).await.unwrap();
    };
    let terminated = async {
        let waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted";
        eventually("somebody waits for the lease", async || {
            (!operator.query(waiting, &[]).await.unwrap().is_empty()).then_some(())
        })
        .await;
        let end = "select pg_terminate_backend($1)";
        operator.execute(end, &[&second]).await.unwrap();
    };
    tokio::join!(taken, terminated);
    lease.lost().await;
    assert_eq!(lease.state(), LeaseState::Elsewhere);
    drop(thief);
    stands(&mut lease, &LeaseState::Held).await;
}

#[tokio::test]
async fn without_a_database_a_server_keeps_what_it_has_and_gets_nothing_new() {
    let mut postgres = BreakablePostgres::start().await;
    let db = postgres.database().await;
    let leases = PostgresSessionLeases::new(db.database.clone());
    let mut held = leases.claim(session("a"));
    stands(&mut held, &LeaseState::Held).await;
    postgres.stop().await;
    let mut new = leases.claim(session("b"));
    eventually("a reason", async || match new.state() {
        LeaseState::Unknown(reason) => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!(held.state(), LeaseState::Held);
    // Whoever had it was restarted.
    drop(held);
    let mut held = leases.claim(session("a"));
    assert_eq!(held.state(), LeaseState::Held);
    postgres.start_again().await;
    stands(&mut new, &LeaseState::Held).await;
    assert_eq!(held.state(), LeaseState::Held);
}

#[tokio::test]
async fn after_an_outage_each_server_has_what_it_had() {
    let mut postgres = BreakablePostgres::start().await;
    let db = postgres.database().await;
    let servers: Vec<_> = (0..5)
        .map(|_| PostgresSessionLeases::new(db.database.clone()))
        .collect();
    let mut owner = servers[0].claim(session("a"));
    stands(&mut owner, &LeaseState::Held).await;
    let mut others: Vec<_> = servers[1..]
        .iter()
        .map(|server| server.claim(session("a")))
        .collect();
    for other in &mut others {
        stands(other, &LeaseState::Elsewhere).await;
    }
    postgres.stop().await;
    for other in &mut others {
        eventually("no answer", async || {
            matches!(other.state(), LeaseState::Unknown(_)).then_some(())
        })
        .await;
    }
    postgres.start_again().await;
    for other in &mut others {
        stands(other, &LeaseState::Elsewhere).await;
    }
    assert_eq!(owner.state(), LeaseState::Held);
}

#[tokio::test]
async fn a_server_does_not_lose_a_lease_to_its_own_former_connection() {
    let postgres = BreakablePostgres::start().await;
    let db = postgres.database().await;
    let leases = PostgresSessionLeases::new(db.database.clone());
    let mut lease = leases.claim(session("a"));
    stands(&mut lease, &LeaseState::Held).await;
    postgres.orphan();
    let mut other = leases.claim(session("b"));
    stands(&mut other, &LeaseState::Held).await;
    assert_eq!(lease.state(), LeaseState::Held);
}
