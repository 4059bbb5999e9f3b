//! What is kept is claimed by one server at a time.

use std::collections::HashSet;

use chrono::TimeDelta;
use jobber::store::DeadLetterStore;
use jobber_actors::domain::{InvocationId, JobId, ServerId};
use jobber_actors::ports::{ClaimToken, ClaimedDelivery, DurableQueue, Kept, Room, Tries, Verdict};

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
