//! The durable queue.

use std::collections::HashSet;

use bytes::Bytes;
use chrono::TimeDelta;
use jobber::store::{DeadLetterStore, QueueLimits};
use jobber_actors::domain::{InvocationId, JobId, ServerId};
use jobber_actors::ports::{
    ClaimToken, ClaimedDelivery, DurableQueue, Kept, NewDelivery, Room, Settlement, Tries, Verdict,
};

use crate::support::queue::{
    LEASE, MOST, Notifications, QueueFixture, QueueServer, dead, due, failure, ids, seconds,
};

#[tokio::test]
async fn what_is_kept_is_delivered_as_it_was_and_only_once() {
    let f = QueueFixture::new().await;
    let new = due(f.job, -1);
    for _ in 0..2 {
        assert_eq!(
            f.one.queue.keep(&[new.clone(), new.clone()]).await.unwrap(),
            [Kept::Yes; 2]
        );
    }
    let claimed = f.one.claim(f.job, 10).await;
    let [ClaimedDelivery { delivery, .. }] = claimed.as_slice() else {
        panic!("one, not {claimed:?}");
    };
    assert_eq!(format!("{delivery:?}"), format!("{:?}", new.delivery));
    assert_eq!(f.two.claim(f.job, 10).await.len(), 0, "it is in a server's hands");
    assert_eq!(f.one.queue.keep(&[new]).await.unwrap(), [Kept::Yes]);

    f.one.settle(&claimed[0], Verdict::Done).await;
    assert_eq!(f.count("select count(*) from deliveries").await, 0);
    assert_eq!(f.one.queue.next_due(&[f.job]).await.unwrap(), None);
    assert_eq!(f.count("select rows + bytes from delivery_usage").await, 0);
}

#[tokio::test]
async fn the_longest_due_come_first_and_no_more_than_there_is_room_for() {
    let f = QueueFixture::new().await;
    let kept = f.keep(&[-5, -20, 3_600, -10, 1_800]).await;
    let room = async |deliveries| ids(&f.one.claim(f.job, deliveries).await);
    assert_eq!(room(0).await, []);
    assert_eq!(room(2).await, [kept[1], kept[3]]);
    assert_eq!(room(10).await, [kept[0]], "what is due later waits");
    let next = f
        .one
        .queue
        .next_due(&[f.job, JobId::generate()])
        .await
        .unwrap()
        .unwrap();
    assert!(
        next < seconds(700),
        "the claims' leases end before the next is due"
    );
    f.execute("delete from deliveries where state = 'claimed'").await;
    let next = f.one.queue.next_due(&[f.job]).await.unwrap().unwrap();
    assert!((seconds(1_800) - next).abs() < TimeDelta::seconds(60), "{next}");
    assert_eq!(f.one.queue.next_due(&[]).await.unwrap(), None);
    assert_eq!(
        f.one.queue.claim(f.one.id, &[], MOST, LEASE).await.unwrap().len(),
        0
    );
}

#[tokio::test]
async fn a_job_with_much_to_do_keeps_no_other_from_its_turn() {
    let f = QueueFixture::new().await;
    let other = f.job("b").await.job_id;
    f.keep(&vec![-100; 50]).await;
    let later = [due(other, -2), due(other, -1)];
    f.one.queue.keep(&later).await.unwrap();
    let room = |job, deliveries| Room { job, deliveries };
    let claimed = f
        .one
        .queue
        .claim(f.one.id, &[room(other, 5), room(f.job, 3)], MOST, LEASE)
        .await
        .unwrap();
    let jobs: Vec<JobId> = claimed.iter().map(|claimed| claimed.delivery.job).collect();
    assert_eq!(jobs, [f.job, f.job, f.job, other, other]);

    let room = [room(other, 5), room(f.job, 5)];
    let claimed = f.one.queue.claim(f.one.id, &room, 2, LEASE).await.unwrap();
    assert_eq!(claimed.len(), 2, "of all jobs together");
}

#[tokio::test]
async fn servers_that_claim_at_once_never_get_the_same() {
    const MANY: usize = 400;
    let f = QueueFixture::new().await;
    let kept: HashSet<_> = f.keep(&vec![-1; MANY]).await.into_iter().collect();
    let take_all = async |server: &QueueServer| {
        let mut taken = Vec::new();
        loop {
            match ids(&server.claim(f.job, 7).await) {
                none if none.is_empty() => return taken,
                some => taken.extend(some),
            }
        }
    };
    let (one, two, three) = tokio::join!(take_all(&f.one), take_all(&f.two), take_all(&f.two));
    let all: Vec<InvocationId> = [one, two, three].concat();
    assert_eq!(all.len(), MANY);
    assert_eq!(all.into_iter().collect::<HashSet<_>>(), kept);
}

#[tokio::test]
async fn a_claim_that_is_not_prolonged_goes_to_another_and_its_old_holder_does_no_harm() {
    let f = QueueFixture::new().await;
    f.keep(&[-1]).await;
    let old = f.one.claim(f.job, 1).await.remove(0);
    assert_eq!(old.delivery.tries.lost, 0);
    let claim = [(old.delivery.id, old.token)];
    assert_eq!(f.one.queue.extend(&claim, LEASE).await.unwrap(), []);
    f.expire().await;
    let new = f.two.claim(f.job, 1).await.remove(0);
    assert_eq!((new.delivery.id, new.delivery.tries.lost), (old.delivery.id, 1));
    assert!(new.token > old.token);

    assert_eq!(
        f.one.queue.extend(&claim, LEASE).await.unwrap(),
        [old.delivery.id]
    );
    let tries = Tries { failed: 9, lost: 9 };
    for verdict in [
        Verdict::Done,
        Verdict::Postponed(seconds(0)),
        Verdict::Dead {
            tries,
            failure: failure("late"),
        },
        Verdict::Retried {
            due: seconds(0),
            tries,
            failure: failure("late"),
        },
    ] {
        f.one.settle(&old, verdict).await;
    }
    let claimed =
        "select count(*) from deliveries where state = 'claimed' and failed = 0 and owner like 'two/%'";
    assert_eq!(f.count(claimed).await, 1);
    f.two.settle(&new, Verdict::Done).await;
    assert_eq!(
        f.two
            .queue
            .extend(&[(new.delivery.id, new.token)], LEASE)
            .await
            .unwrap(),
        [new.delivery.id]
    );
}

#[tokio::test]
async fn a_claim_can_be_prolonged_until_another_has_it() {
    let f = QueueFixture::new().await;
    f.keep(&[-1]).await;
    let claimed = f.one.claim(f.job, 1).await.remove(0);
    f.expire().await;
    let claim = [(claimed.delivery.id, claimed.token)];
    assert_eq!(f.one.queue.extend(&claim, LEASE).await.unwrap(), []);
    assert_eq!(f.two.claim(f.job, 1).await.len(), 0);
}

#[tokio::test]
async fn what_an_earlier_life_had_claimed_is_due_at_once() {
    let f = QueueFixture::new().await;
    let kept = f.keep(&[-4, -3, -2, -1]).await;
    let before = ServerId::generate();
    let room = [Room {
        job: f.job,
        deliveries: 2,
    }];
    f.one.queue.claim(before, &room, MOST, LEASE).await.unwrap();
    f.one.claim(f.job, 1).await;
    f.two.claim(f.job, 1).await;
    assert_eq!(
        f.one.queue.recover(f.one.id).await.unwrap(),
        2,
        "not what this life or another instance has"
    );
    assert_eq!(f.one.queue.recover(f.one.id).await.unwrap(), 0);
    let again = f.one.claim(f.job, 4).await;
    assert_eq!(ids(&again), kept[..2]);
    assert!(
        again
            .iter()
            .all(|claimed| claimed.delivery.tries == Tries { failed: 0, lost: 1 })
    );
    assert!(again.iter().all(|claimed| claimed.token == ClaimToken(2)));
}

#[tokio::test]
async fn a_failed_one_is_tried_later_and_at_last_given_up() {
    let f = QueueFixture::new().await;
    f.keep(&[-1]).await;
    let claimed = f.one.claim(f.job, 1).await.remove(0);
    f.one.settle(&claimed, Verdict::Postponed(seconds(-1))).await;
    let claimed = f.one.claim(f.job, 1).await.remove(0);
    assert_eq!(claimed.delivery.tries, Tries::default(), "not run is not tried");

    let tries = Tries { failed: 1, lost: 0 };
    let retry = |due| Verdict::Retried {
        due,
        tries,
        failure: failure("once"),
    };
    f.one.settle(&claimed, retry(seconds(3_600))).await;
    assert_eq!(f.one.claim(f.job, 1).await.len(), 0);
    assert!(f.one.queue.next_due(&[f.job]).await.unwrap().unwrap() > seconds(3_500));
    f.execute("update deliveries set due_at = now()").await;
    let claimed = f.one.claim(f.job, 1).await.remove(0);
    assert_eq!(
        (claimed.delivery.tries, claimed.delivery.tries.next_attempt()),
        (tries, 2)
    );

    let tries = Tries { failed: 2, lost: 0 };
    f.one
        .settle(
            &claimed,
            Verdict::Dead {
                tries,
                failure: failure("twice"),
            },
        )
        .await;
    assert_eq!(f.one.claim(f.job, 1).await.len(), 0);
    assert_eq!(f.one.queue.next_due(&[f.job]).await.unwrap(), None);
    let dead = "select count(*) from deliveries
                where state = 'dead' and failed = 2 and failure ->> 'message' = 'twice' and died_at is not null";
    assert_eq!(f.count(dead).await, 1);
}

#[tokio::test]
async fn many_are_settled_at_once_each_in_its_own_way() {
    let f = QueueFixture::new().await;
    f.keep(&vec![-1; 40]).await;
    let claimed = f.one.claim(f.job, 40).await;
    let tries = Tries { failed: 1, lost: 0 };
    let settle = |(n, claimed): (usize, &ClaimedDelivery)| Settlement {
        id: claimed.delivery.id,
        token: claimed.token,
        verdict: match n % 4 {
            0 => Verdict::Done,
            1 => Verdict::Postponed(seconds(-1)),
            2 => Verdict::Retried {
                due: seconds(60),
                tries,
                failure: failure("again"),
            },
            _ => Verdict::Dead {
                tries,
                failure: failure("over"),
            },
        },
    };
    let settlements: Vec<Settlement> = claimed.iter().enumerate().map(settle).collect();
    for _ in 0..2 {
        f.one.queue.settle(&settlements).await.unwrap();
    }
    f.one.queue.settle(&[]).await.unwrap();
    let count = async |which: &str| {
        f.count(&format!("select count(*) from deliveries where {which}"))
            .await
    };
    assert_eq!(count("state = 'due' and failed = 0").await, 10);
    assert_eq!(count("state = 'due' and failed = 1 and due_at > now()").await, 10);
    assert_eq!(count("state = 'dead'").await, 10);
    assert_eq!(count("state = 'claimed'").await, 0);
    assert_eq!(f.count("select rows from delivery_usage").await, 30);
}

#[tokio::test]
async fn settling_and_prolonging_the_same_claims_at_once_is_no_trouble() {
    let f = QueueFixture::new().await;
    f.keep(&vec![-1; 300]).await;
    let claimed = f.one.claim(f.job, 300).await;
    let claims: Vec<_> = claimed
        .iter()
        .map(|claimed| (claimed.delivery.id, claimed.token))
        .collect();
    let settle = async {
        for some in claimed.rchunks(50) {
            let done = |claimed: &ClaimedDelivery| Settlement {
                id: claimed.delivery.id,
                token: claimed.token,
                verdict: Verdict::Done,
            };
            let settlements: Vec<_> = some.iter().rev().map(done).collect();
            f.one.queue.settle(&settlements).await.unwrap();
        }
    };
    let extend = async {
        for _ in 0..6 {
            f.one.queue.extend(&claims, LEASE).await.unwrap();
        }
    };
    tokio::join!(settle, extend);
    assert_eq!(f.count("select count(*) from deliveries").await, 0);
}

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
    assert!(f.publishing.jobs.remove(gone).await.unwrap());
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
async fn who_listens_is_told_once_of_every_job_with_something_new() {
    let f = QueueFixture::new().await;
    let other = f.job("b").await.job_id;
    let mut notifications = Notifications::listen(&f.publishing.db.url).await;
    let batch = [due(f.job, -1), due(f.job, 60), dead(other)];
    f.one.queue.keep(&batch).await.unwrap();
    assert_eq!(notifications.heard().await, [f.job.to_string()]);
    f.one.queue.keep(&batch).await.unwrap();
    assert_eq!(notifications.heard().await, [""; 0], "nothing new");
    f.one.queue.keep(&[due(f.job, -1), due(other, -1)]).await.unwrap();
    let heard: HashSet<String> = notifications.heard().await.into_iter().collect();
    assert_eq!(heard, HashSet::from([f.job.to_string(), other.to_string()]));

    let letters = DeadLetterStore::new(f.publishing.db.database.clone());
    assert!(letters.redrive(other, batch[2].delivery.id).await.unwrap());
    assert_eq!(notifications.heard().await, [other.to_string()]);
    for claimed in f.one.claim(other, 2).await {
        let tries = claimed.delivery.tries;
        let verdict = Verdict::Dead {
            tries,
            failure: failure("again"),
        };
        f.one.settle(&claimed, verdict).await;
    }
    assert_eq!(letters.redrive_all(other).await.unwrap(), 2);
    assert_eq!(notifications.heard().await, [other.to_string()]);
}
