//! The record in Postgres.

use std::time::Duration;

use chrono::{Days, TimeDelta, Utc};
use jobber::store::{InvocationFilter, Listing, PostgresInvocations};
use jobber_actors::domain::{InvocationId, JobId, ServerId, TriggerId, VersionId};
use jobber_actors::invocation::{HttpInput, Input, TriggerRef};
use jobber_actors::ports::{
    CapturedBody, CapturedPayload, ColdStart, InvocationRecord, InvocationStatus, InvocationStore,
};
use uuid::Uuid;

use crate::support::{TestDatabase, eventually};

fn record(job: JobId, status: InvocationStatus) -> InvocationRecord {
    let now = Utc::now();
    InvocationRecord {
        id: InvocationId::generate(),
        attempt: 1,
        job,
        version: Some(VersionId::generate()),
        trigger: TriggerRef {
            id: TriggerId::generate(),
            name: Some("a name".into()),
        },
        kind: Input::HTTP,
        subject: "GET /a\0b".into(),
        status,
        queued: now - TimeDelta::milliseconds(1500),
        started: Some(now - TimeDelta::milliseconds(1000)),
        ended: status.is_final().then_some(now),
        runner: None,
        cold_start: Some(ColdStart {
            connect: Duration::from_millis(200),
            load: Duration::from_millis(30),
        }),
        input_bytes: Some(3),
        output_bytes: None,
        peak_memory: Some(64_000_000),
        http_status: None,
        error: None,
        by_hand: None,
        payload: None,
        replaces: false,
    }
}

fn payload() -> Box<CapturedPayload> {
    let http = HttpInput {
        method: "GET".into(),
        target: "/a\0b".into(),
        scheme: "http".into(),
        authority: "shop".into(),
        headers: Vec::new(),
        params: std::collections::BTreeMap::new(),
        ip: [127, 0, 0, 1].into(),
        size: None,
    };
    Box::new(CapturedPayload {
        input: Input::Http { http: Box::new(http) },
        input_body: CapturedBody {
            bytes: vec![0, 1, 255].into(),
            truncated: true,
        },
        output: None,
        output_body: CapturedBody::default(),
    })
}

async fn statuses(store: &PostgresInvocations, job: JobId) -> Vec<String> {
    let (filter, listing) = (InvocationFilter::default(), Listing::default());
    let page = store.list(&[job], &filter, &listing).await.unwrap();
    page.items.into_iter().map(|record| record.status).collect()
}

#[tokio::test]
async fn records_that_come_again_are_kept_once_and_a_final_one_stays() {
    let db = TestDatabase::new().await;
    let store = PostgresInvocations::new(db.database.clone(), Days::new(30));
    let (server, job) = (ServerId::generate(), JobId::generate());
    let mut open = record(job, InvocationStatus::Running);
    store.append(server, std::slice::from_ref(&open)).await.unwrap();
    assert_eq!(statuses(&store, job).await, ["running"]);

    open.status = InvocationStatus::Succeeded;
    open.ended = Some(Utc::now());
    open.payload = Some(payload());
    open.replaces = true;
    let fresh = record(job, InvocationStatus::Failed);
    let batch = [open.clone(), fresh];
    store.append(server, &batch).await.unwrap();
    // The answer of a commit was lost: the whole batch comes again.
    store.append(server, &batch).await.unwrap();
    assert_eq!(statuses(&store, job).await, ["failed", "succeeded"]);
    open.status = InvocationStatus::Lost;
    store.append(server, &[open.clone()]).await.unwrap();
    assert_eq!(statuses(&store, job).await, ["failed", "succeeded"]);

    let found = store.find(open.id).await.unwrap().remove(0);
    assert_eq!(found.subject, "GET /a\u{fffd}b");
    assert_eq!(found.peak_memory_bytes, Some(64_000_000));
    assert_eq!(
        found.cold_start.map(|cold| (cold.connect_ms, cold.load_ms)),
        Some((200, 30))
    );
    let captured = store.captured(open.id, 1).await.unwrap().expect("it was kept");
    assert_eq!(
        (&captured.input_body[..], captured.input_truncated),
        (&[0, 1, 255][..], true)
    );
    assert_eq!(captured.input["http"]["target"], "/a\u{fffd}b");
}

#[tokio::test]
async fn what_a_server_had_in_hand_is_lost_with_it_and_not_before() {
    use jobber::store::{Listener, ListenerConfig};
    use tokio::sync::watch;
    use tokio::task::JoinSet;

    let db = TestDatabase::new().await;
    let store = PostgresInvocations::new(db.database.clone(), Days::new(30));
    let (other, job) = (ServerId::generate(), JobId::generate());
    let (stop, stopped) = watch::channel(false);
    let listener = Listener::new(db.database.clone(), other, ListenerConfig::default());
    let (begun, mut begins) = watch::channel(false);
    let mut life = JoinSet::new();
    let hint = move |_| {
        begun.send_replace(true);
    };
    life.spawn(listener.run(hint, stopped));
    begins.wait_for(|begun| *begun).await.unwrap();

    let open = record(job, InvocationStatus::Running);
    store.append(other, std::slice::from_ref(&open)).await.unwrap();
    let me = ServerId::generate();
    assert_eq!(store.lose_of_dead_servers(me).await.unwrap(), 0, "it is there");
    stop.send_replace(true);
    life.join_all().await;
    assert_eq!(
        store.lose_of_dead_servers(me).await.unwrap(),
        0,
        "one look is not enough"
    );
    eventually("its connection is over", async || {
        (store.lose_of_dead_servers(me).await.unwrap() == 1).then_some(())
    })
    .await;
    assert_eq!(statuses(&store, job).await, ["lost"]);

    // It was alive after all, and only its connection was away.
    let end = InvocationRecord {
        status: InvocationStatus::Succeeded,
        ended: Some(Utc::now()),
        replaces: true,
        ..open
    };
    store.append(other, &[end]).await.unwrap();
    assert_eq!(statuses(&store, job).await, ["succeeded"]);
}

#[tokio::test]
async fn old_days_are_dropped_and_days_to_come_are_ready() {
    let db = TestDatabase::new().await;
    let store = PostgresInvocations::new(db.database.clone(), Days::new(2));
    let (server, job) = (ServerId::generate(), JobId::generate());
    for days in 0..5 {
        let time = Utc::now() - TimeDelta::days(days);
        let milliseconds = u64::try_from(time.timestamp_millis()).unwrap();
        let mut old = record(job, InvocationStatus::Succeeded);
        let id = Uuid::new_v7(uuid::Timestamp::from_unix_time(milliseconds / 1000, 0, 0, 0));
        old.id = id.into();
        store.append(server, &[old]).await.unwrap();
    }
    assert_eq!(statuses(&store, job).await.len(), 5);
    assert_eq!(store.turn_partitions().await.unwrap(), 2);
    assert_eq!(statuses(&store, job).await.len(), 3);
    let partitions = "select count(*) from pg_inherits where inhparent = 'invocations'::regclass";
    assert_eq!(
        db.count(partitions).await,
        5,
        "two days before, today, and two to come"
    );
    // A day that somebody dropped is made again when it is needed.
    let mut late = record(job, InvocationStatus::Succeeded);
    let time = u64::try_from((Utc::now() - TimeDelta::days(4)).timestamp()).unwrap();
    late.id = Uuid::new_v7(uuid::Timestamp::from_unix_time(time, 0, 0, 0)).into();
    store.append(server, std::slice::from_ref(&late)).await.unwrap();
    assert_eq!(statuses(&store, job).await.len(), 4);

    // One that another server has dropped meanwhile, too, at the next try.
    for replaces in [false, true] {
        let other = PostgresInvocations::new(db.database.clone(), Days::new(2));
        assert_eq!(other.turn_partitions().await.unwrap(), 1);
        late.replaces = replaces;
        store
            .append(server, std::slice::from_ref(&late))
            .await
            .unwrap_err();
        store.append(server, std::slice::from_ref(&late)).await.unwrap();
        assert_eq!(statuses(&store, job).await.len(), 4);
    }
}
