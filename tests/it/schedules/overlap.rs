//! What happens while an earlier invocation of the trigger is not over.

use chrono::Utc;
use jobber::store::ManualRun;
use jobber_actors::manifest::Overlap;
use jobber_actors::ports::{DurableQueue, Room, Tries, Verdict};

use super::{Schedules, at, counts, record, states};
use crate::support::queue::{LEASE, MOST, QueueServer, due, failure, ids};

#[tokio::test]
async fn with_skip_an_instant_is_left_out_while_an_earlier_one_is_not_over() {
    let s = Schedules::new("skip").await;
    let first = record(&s.queue.one, &s.fires([0, 1], Overlap::Skip)).await;
    assert_eq!(counts(&first), (1, 0, 1, 0));
    let claimed = &first.claimed[0];
    let tries = Tries { failed: 1, lost: 0 };
    s.queue
        .one
        .settle(
            claimed,
            Verdict::Retried {
                due: at(1_000),
                tries,
                failure: failure("x"),
            },
        )
        .await;
    assert_eq!(
        counts(&record(&s.queue.two, &s.fires([2], Overlap::Skip)).await),
        (0, 0, 1, 0),
        "it will be tried again"
    );
    let claimed = s.queue.one.claim(s.job, 1).await.remove(0);
    s.queue
        .one
        .settle(
            &claimed,
            Verdict::Dead {
                tries,
                failure: failure("x"),
            },
        )
        .await;
    assert_eq!(
        counts(&record(&s.queue.two, &s.fires([3], Overlap::Skip)).await),
        (1, 0, 0, 0),
        "it is given up"
    );
    let skipped = ("skipped", Some("overlap"));
    assert_eq!(
        states(&s.history().await),
        [("fired", None), skipped, skipped, ("fired", None)]
    );
}

#[tokio::test]
async fn of_servers_that_record_different_instants_at_once_only_one_starts_a_run() {
    let s = Schedules::new("skip").await;
    s.begin("minutely", -1).await;
    for round in 0..10 {
        let (one, two) = (
            s.fires([round * 2], Overlap::Skip),
            s.fires([round * 2 + 1], Overlap::Skip),
        );
        let (one, two) = tokio::join!(record(&s.queue.one, &one), record(&s.queue.two, &two));
        assert_eq!(
            (
                one.claimed.len() + two.claimed.len(),
                one.skipped.len() + two.skipped.len()
            ),
            (1, 1)
        );
        for claimed in one.claimed.iter().chain(&two.claimed) {
            s.queue.one.settle(claimed, Verdict::Done).await;
        }
    }
}

#[tokio::test]
async fn with_queue_they_run_one_after_the_other_on_whichever_server() {
    let s = Schedules::new("queue").await;
    let fires = s.fires(0..4, Overlap::Queue);
    let mut fired = record(&s.queue.one, &fires).await;
    assert_eq!(counts(&fired), (1, 3, 0, 0));
    let mut running = fired.claimed.remove(0);
    for next in &fires[1..] {
        let (one, two) = tokio::join!(s.queue.one.claim(s.job, 9), s.queue.two.claim(s.job, 9));
        assert_eq!(one.len() + two.len(), 0, "one of them runs");
        let wake = s.queue.one.queue.next_due(&[s.job]).await.unwrap().unwrap();
        assert!(
            wake > Utc::now(),
            "nothing can be claimed before its lease is over"
        );
        s.queue.one.settle(&running, Verdict::Done).await;
        assert_eq!(s.queue.one.queue.next_due(&[s.job]).await.unwrap(), Some(next.at));
        let (one, two) = tokio::join!(s.queue.one.claim(s.job, 9), s.queue.two.claim(s.job, 9));
        let mut claimed = [one, two].concat();
        assert_eq!(ids(&claimed), [next.invocation]);
        running = claimed.remove(0);
    }
    s.queue.two.settle(&running, Verdict::Done).await;
    assert_eq!(s.queue.one.queue.next_due(&[s.job]).await.unwrap(), None);
    assert_eq!(
        counts(&record(&s.queue.two, &s.fires([9], Overlap::Queue)).await),
        (1, 0, 0, 0)
    );
}

#[tokio::test]
async fn of_a_serial_trigger_never_two_run_whatever_comes_in_between() {
    let s = Schedules::new("queue").await;
    s.begin("minutely", -1).await;
    let running = "select count(*) from deliveries where state = 'claimed'";
    let server = async |server: &QueueServer, base: i64| {
        for n in 0..25 {
            let mut claimed = record(server, &s.fires([base + n], Overlap::Queue)).await.claimed;
            s.fires.run_now(s.job, s.tick).await.unwrap();
            claimed.extend(server.claim(s.job, 5).await);
            assert!(s.queue.count(running).await <= 1);
            for claimed in claimed {
                server
                    .settle(&claimed, Verdict::Postponed(at(base + 100 - n)))
                    .await;
            }
        }
    };
    // Later instants come in before earlier ones.
    tokio::join!(server(&s.queue.one, 200), server(&s.queue.two, 0));
    let mut left = 0;
    while let [claimed] = s.queue.one.claim(s.job, 9).await.as_slice() {
        s.queue.one.settle(claimed, Verdict::Done).await;
        left += 1;
    }
    assert_eq!(left, 100, "all that came in");
    assert_eq!(s.queue.count("select count(*) from deliveries").await, 0);
}

#[tokio::test]
async fn so_many_wait_for_an_earlier_one_and_no_more() {
    let s = Schedules::new("queue").await;
    assert_eq!(
        counts(&record(&s.queue.one, &s.fires(0..60, Overlap::Queue)).await),
        (1, 59, 0, 0)
    );
    assert_eq!(
        counts(&record(&s.queue.one, &s.fires(60..105, Overlap::Queue)).await),
        (0, 41, 4, 0)
    );
    assert_eq!(
        states(&s.history().await)[..5],
        [("skipped", Some("queue-full")); 4]
            .into_iter()
            .chain([("fired", None)])
            .collect::<Vec<_>>()
    );
    assert_eq!(s.fires.run_now(s.job, s.tick).await.unwrap(), ManualRun::Full);
}

#[tokio::test]
async fn what_waits_for_an_earlier_one_does_not_keep_others_of_its_job_waiting() {
    let s = Schedules::new("queue").await;
    record(&s.queue.one, &s.fires(0..50, Overlap::Queue)).await;
    s.queue.one.queue.keep(&[due(s.job, -1)]).await.unwrap();
    let room = [Room {
        job: s.job,
        deliveries: 1,
    }];
    let claimed = s
        .queue
        .one
        .queue
        .claim(s.queue.one.id, &room, MOST, LEASE)
        .await
        .unwrap();
    assert_eq!(claimed[0].delivery.input.kind(), "mqtt");
}
