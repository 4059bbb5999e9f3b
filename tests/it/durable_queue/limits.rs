//! How much a job may have in the queue, and what goes with it.

use bytes::Bytes;
use jobber::store::QueueLimits;
use jobber_actors::ports::{DurableQueue, Kept, NewDelivery, Verdict};

use crate::support::queue::{LEASE, QueueFixture, QueueServer, dead, due, ids};

#[tokio::test]
async fn a_job_has_so_many_deliveries_and_bytes_and_no_more() {
    let few = QueueLimits {
        rows: 3,
        ..QueueLimits::default()
    };
    let f = QueueFixture::limited(few).await;
    let other = f.job("b").await.job_id;
    let mut batch: Vec<NewDelivery> = (0..3).map(|_| due(f.job, -1)).collect();
    batch.push(dead(f.job));
    assert_eq!(
        f.one.queue.keep(&batch).await.unwrap(),
        [Kept::Yes; 4],
        "judged before the batch"
    );
    let more = [due(f.job, -1), due(other, -1), batch[0].clone()];
    let answers = f.one.queue.keep(&more).await.unwrap();
    assert_eq!(
        answers,
        [Kept::JobFull, Kept::Yes, Kept::Yes],
        "what is there already is kept"
    );
    for claimed in f.one.claim(f.job, 2).await {
        f.one.settle(&claimed, Verdict::Done).await;
    }
    assert_eq!(f.one.queue.keep(&more[..1]).await.unwrap(), [Kept::Yes]);

    let small = QueueLimits {
        bytes: 10_000,
        ..QueueLimits::default()
    };
    let server = QueueServer::new(&f.publishing, "small", small);
    let mut large = due(other, -1);
    large.delivery.body = Bytes::from(vec![7; 9_900]);
    assert_eq!(server.queue.keep(&[large]).await.unwrap(), [Kept::Yes]);
    assert_eq!(
        server.queue.keep(&[due(other, -1)]).await.unwrap(),
        [Kept::JobFull]
    );
}

#[tokio::test]
async fn large_batches_are_kept_in_pieces() {
    let f = QueueFixture::new().await;
    let body = Bytes::from(vec![1; 3 << 20]);
    let mut batch: Vec<NewDelivery> = (0..1_500).map(|_| due(f.job, -1)).collect();
    for new in batch.iter_mut().take(5) {
        new.delivery.body = body.clone();
    }
    assert_eq!(f.one.queue.keep(&batch).await.unwrap(), vec![Kept::Yes; 1_500]);
    assert_eq!(f.count("select count(*) from deliveries").await, 1_500);
    assert_eq!(f.one.queue.keep(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_job_that_goes_takes_its_deliveries_along_and_no_others() {
    let f = QueueFixture::new().await;
    let gone = f.job("b").await.job_id;
    f.one.queue.keep(&[due(gone, -1), dead(gone)]).await.unwrap();
    let claimed = f.one.claim(gone, 1).await.remove(0);
    assert!(f.publishing.jobs.remove(gone).await.unwrap().is_some());
    assert_eq!(f.count("select count(*) from deliveries").await, 0);
    let usage = "select count(*) from delivery_usage where rows <> 0";
    assert_eq!(f.count(usage).await, 0);

    let answers = f
        .one
        .queue
        .keep(&[due(gone, -1), due(f.job, -1), due(gone, -1)])
        .await
        .unwrap();
    assert_eq!(answers, [Kept::JobGone, Kept::Yes, Kept::JobGone]);
    let claim = [(claimed.delivery.id, claimed.token)];
    assert_eq!(
        f.one.queue.extend(&claim, LEASE).await.unwrap(),
        [claimed.delivery.id]
    );
    f.one.settle(&claimed, Verdict::Done).await;
    assert_eq!(f.one.claim(gone, 1).await.len(), 0);
}

#[tokio::test]
async fn a_job_may_go_at_any_moment() {
    let f = QueueFixture::new().await;
    for round in 0..5 {
        let job = f.job(&format!("b{round}")).await.job_id;
        let work = async |server: &QueueServer| {
            for _ in 0..20 {
                let batch = [due(job, -1), due(f.job, -1), due(job, -1)];
                let answers = server.queue.keep(&batch).await.unwrap();
                assert_eq!(answers[1], Kept::Yes);
                for claimed in server.claim(job, 2).await {
                    server.settle(&claimed, Verdict::Done).await;
                }
            }
        };
        let remove = async { f.publishing.jobs.remove(job).await.unwrap() };
        tokio::join!(work(&f.one), work(&f.two), remove);
    }
    assert_eq!(f.count("select count(*) from deliveries").await, 200);
    assert_eq!(f.count("select sum(rows)::bigint from delivery_usage").await, 200);
    let differs = "select count(*) from delivery_usage u where u.bytes <>
                   (select sum(octet_length(d.body) + octet_length(d.input::text)) from deliveries d where d.job_id = u.job_id)";
    assert_eq!(f.count(differs).await, 0);
}

#[tokio::test]
async fn a_delivery_that_can_not_be_read_does_not_stop_the_others() {
    let f = QueueFixture::new().await;
    let kept = f.keep(&[-3, -2, -1]).await;
    let client = f.publishing.db.client().await;
    let spoil = "update deliveries set input = '{\"kind\": \"smoke\"}', failed = 1 where id = $1";
    client.execute(spoil, &[kept[1].as_uuid()]).await.unwrap();
    assert_eq!(ids(&f.one.claim(f.job, 3).await), [kept[0], kept[2]]);
    let dead = "select count(*) from deliveries
                where state = 'dead' and failure ->> 'reason' = 'unreadable' and failed = 1";
    assert_eq!(f.count(dead).await, 1);
}

#[tokio::test]
async fn one_claim_brings_only_so_many_bytes_into_memory() {
    let f = QueueFixture::new().await;
    let mut batch: Vec<NewDelivery> = [-4, -3, -2, -1].map(|seconds| due(f.job, seconds)).into();
    for (new, bytes) in batch.iter_mut().zip([40 << 20, 20 << 20, 10 << 20, 5 << 20]) {
        new.delivery.body = Bytes::from(vec![1; bytes]);
    }
    f.one.queue.keep(&batch).await.unwrap();
    let claimed = [
        f.one.claim(f.job, 10).await.len(),
        f.one.claim(f.job, 10).await.len(),
        f.one.claim(f.job, 10).await.len(),
    ];
    assert_eq!(claimed, [1, 2, 1], "one that is too large goes alone");
}
