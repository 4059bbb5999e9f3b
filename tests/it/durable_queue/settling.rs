//! What becomes of a delivery after an attempt.

use jobber_actors::ports::{ClaimedDelivery, DurableQueue, Settlement, Tries, Verdict};

use crate::support::queue::{LEASE, QueueFixture, failure, seconds};

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
