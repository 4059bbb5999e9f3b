//! What is recorded of instants, and what becomes of them.

use chrono::{SubsecRound, TimeDelta, Utc};
use jobber::store::{FireFilter, Listing, ManualRun, QueueLimits};
use jobber_actors::domain::{ServerId, TriggerId};
use jobber_actors::invocation::Input;
use jobber_actors::manifest::Overlap;
use jobber_actors::ports::{DurableQueue, Fire, Gap, MissReason, ScheduleStore, Verdict};

use super::{Schedules, at, counts, record, states};
use crate::support::queue::{LEASE, QueueServer};

#[tokio::test]
async fn an_instant_becomes_a_delivery_in_the_hands_of_who_recorded_it() {
    let s = Schedules::new("allow").await;
    let fire = s.fire(0, Overlap::Allow);
    let mut fired = record(&s.queue.one, std::slice::from_ref(&fire)).await;
    assert_eq!(counts(&fired), (1, 0, 0, 0));
    let claimed = fired.claimed.remove(0);
    assert_eq!(
        (claimed.delivery.id, claimed.delivery.trigger_name.as_deref()),
        (fire.invocation, Some("tick"))
    );
    let Input::Schedule { schedule } = claimed.delivery.input else {
        panic!("a schedule's, not {:?}", claimed.delivery.input);
    };
    assert_eq!(schedule.scheduled_at, fire.at);
    assert_eq!(s.queue.two.claim(s.job, 1).await.len(), 0);

    // The claim is one like any other.
    s.queue.expire().await;
    let again = s.queue.two.claim(s.job, 1).await.remove(0);
    assert_eq!(
        (again.delivery.id, again.delivery.tries.lost),
        (fire.invocation, 1)
    );
    assert!(again.token > claimed.token);
    assert_eq!(
        format!("{:?}", again.delivery.input),
        format!("{:?}", claimed.delivery.input)
    );
    s.queue.two.settle(&again, Verdict::Done).await;
    let history = s.history().await;
    assert_eq!(states(&history), [("fired", None)]);
    assert_eq!(
        (history[0].at, history[0].invocation_id, history[0].manual),
        (at(0), Some(fire.invocation), false)
    );
}

/// An instant that has not come.
fn ahead(s: &Schedules) -> Fire {
    let at = Utc::now().trunc_subsecs(0) + TimeDelta::hours(1);
    Fire {
        at,
        ..s.fire(0, Overlap::Allow)
    }
}

#[tokio::test]
async fn an_instant_that_is_withdrawn_before_it_was_due_leaves_nothing() {
    let s = Schedules::new("allow").await;
    let kept = record(&s.queue.one, &[s.fire(0, Overlap::Allow)]).await;
    let withdrawn = record(&s.queue.one, &[ahead(&s)]).await;
    s.queue
        .one
        .settle(&withdrawn.claimed[0], Verdict::Withdrawn)
        .await;
    assert_eq!(s.queue.count("select count(*) from deliveries").await, 1);
    let history = s.history().await;
    assert_eq!((history.len(), history[0].at), (1, at(0)));
    assert_eq!(history[0].invocation_id, Some(kept.claimed[0].delivery.id));
}

#[tokio::test]
async fn an_instant_that_was_not_due_when_its_server_died_is_still_to_come_and_was_not_tried() {
    let s = Schedules::new("allow").await;
    let fire = ahead(&s);
    let due = record(&s.queue.one, &[s.fire(0, Overlap::Allow)]).await;
    record(&s.queue.one, std::slice::from_ref(&fire)).await;
    let next_life = ServerId::generate();
    assert_eq!(s.queue.one.queue.recover(next_life).await.unwrap(), 2);

    // The other one may have been tried, and is due.
    let claimed = s.queue.two.claim(s.job, 2).await;
    let tries: Vec<_> = claimed
        .iter()
        .map(|claimed| (claimed.delivery.id, claimed.delivery.tries.lost))
        .collect();
    assert_eq!(tries, [(due.claimed[0].delivery.id, 1)]);
    let lost = "select count(*) from deliveries where state = 'due' and lost = 0";
    assert_eq!(s.queue.count(lost).await, 1);
    s.queue.two.settle(&claimed[0], Verdict::Done).await;
    let next = s.queue.two.queue.next_due(&[s.job]).await.unwrap();
    assert_eq!(next, Some(fire.at));
}

#[tokio::test]
async fn servers_that_record_the_same_instants_at_once_fire_each_of_them_once() {
    let s = Schedules::new("allow").await;
    for begun in [false, true] {
        if begun {
            s.begin("minutely", 0).await;
        }
        let base = if begun { 1_000 } else { 0 };
        let record = async |server: &QueueServer| {
            let (mut claimed, mut known) = (0, 0);
            for hour in 0..10 {
                let minutes = base + hour * 10..base + hour * 10 + 10;
                let fired = record(server, &s.fires(minutes, Overlap::Allow)).await;
                claimed += fired.claimed.len();
                known += fired.known;
            }
            (claimed, known)
        };
        let (one, two) = tokio::join!(record(&s.queue.one), record(&s.queue.two));
        assert_eq!((one.0 + two.0, one.1 + two.1), (100, 100), "begun: {begun}");
    }
    assert_eq!(s.queue.count("select count(*) from deliveries").await, 200);
    let twice = s.fires([5, 5], Overlap::Allow);
    assert_eq!(counts(&record(&s.queue.one, &twice).await), (0, 0, 0, 2));
}

#[tokio::test]
async fn a_job_with_a_full_queue_skips_its_instants() {
    let s = Schedules::limited(
        "allow",
        QueueLimits {
            rows: 2,
            ..QueueLimits::default()
        },
    )
    .await;
    let fired = record(&s.queue.one, &s.fires(0..4, Overlap::Allow)).await;
    assert_eq!(counts(&fired), (2, 0, 2, 0));
    assert_eq!(states(&s.history().await)[0], ("skipped", Some("job-full")));
    assert_eq!(s.fires.run_now(s.job, s.tick).await.unwrap(), ManualRun::Full);
    s.queue.one.settle(&fired.claimed[0], Verdict::Done).await;
    assert_eq!(
        counts(&record(&s.queue.one, &s.fires([4], Overlap::Allow)).await),
        (1, 0, 0, 0)
    );
}

#[tokio::test]
async fn instants_that_passed_are_one_row_and_move_the_cursor() {
    let s = Schedules::new("allow").await;
    s.begin("minutely", 0).await;
    let gaps = [Gap {
        uncounted: true,
        reason: MissReason::BeyondCatchUp,
        ..s.gap(1, 500)
    }];
    let fires = s.fires([501, 502], Overlap::Allow);
    for server in [&s.queue.one, &s.queue.two] {
        server
            .schedules
            .record(server.id, &fires, &gaps, LEASE)
            .await
            .unwrap();
        assert_eq!(s.begin("minutely", 900).await, at(502));
    }
    let history = s.history().await;
    assert_eq!(
        states(&history),
        [
            ("fired", None),
            ("fired", None),
            ("missed", Some("beyond-catch-up"))
        ]
    );
    let gap = &history[2];
    assert_eq!(
        (gap.at, gap.last, gap.instants, gap.uncounted),
        (at(1), at(500), 500, true)
    );

    let only = [s.gap(600, 600)];
    s.queue
        .one
        .schedules
        .record(s.queue.one.id, &[], &only, LEASE)
        .await
        .unwrap();
    s.queue
        .one
        .schedules
        .record(s.queue.one.id, &[], &[], LEASE)
        .await
        .unwrap();
    assert_eq!(s.begin("minutely", 900).await, at(600));
    let before = FireFilter {
        until: Some(history[0].at),
        ..FireFilter::default()
    };
    let page = s.fires.list(s.tick, &before, &Listing::default()).await.unwrap();
    assert_eq!(
        page.items.iter().take(2).map(|fire| fire.at).collect::<Vec<_>>(),
        [at(501), at(1)]
    );
}

#[tokio::test]
async fn of_what_is_gone_nothing_is_recorded_and_the_rest_is() {
    let s = Schedules::new("allow").await;
    let unknown = Fire {
        trigger: TriggerId::generate(),
        ..s.fire(0, Overlap::Allow)
    };
    let gap = Gap {
        trigger: TriggerId::generate(),
        ..s.gap(0, 5)
    };
    let fires = [unknown, s.fire(0, Overlap::Allow)];
    let one = &s.queue.one;
    let fired = one.schedules.record(one.id, &fires, &[gap], LEASE).await.unwrap();
    assert_eq!(counts(&fired), (1, 0, 0, 0));
    assert_eq!(s.queue.count("select count(*) from schedule_fires").await, 1);

    assert!(s.queue.publishing.jobs.remove(s.job).await.unwrap().is_some());
    let fired = one
        .schedules
        .record(one.id, &s.fires([1], Overlap::Queue), &[s.gap(2, 3)], LEASE)
        .await
        .unwrap();
    assert_eq!(counts(&fired), (0, 0, 0, 0));
    for table in ["schedule_fires", "schedule_cursors", "deliveries"] {
        assert_eq!(
            s.queue.count(&format!("select count(*) from {table}")).await,
            0,
            "{table}"
        );
    }
}

#[tokio::test]
async fn the_record_is_kept_for_a_month_and_for_ten_thousand_rows() {
    let s = Schedules::new("allow").await;
    record(&s.queue.one, &s.fires([0, 1], Overlap::Allow)).await;
    s.queue.execute("update schedule_fires set recorded_at = now() - interval '31 days' where at < '2020-03-01 00:01Z'").await;
    assert_eq!(s.fires.purge().await.unwrap(), 1);
    let many = "insert into schedule_fires (trigger_id, at, job_id, state, last_at, reason)
                select trigger_id, at + n * interval '1 second', job_id, 'missed', at + n * interval '1 second', 'not-running'
                from schedule_fires, generate_series(1, 12500) n";
    s.queue.execute(many).await;
    assert_eq!(s.fires.purge().await.unwrap(), 2_501);
    assert_eq!(s.queue.count("select count(*) from schedule_fires").await, 10_000);
    assert_eq!(
        s.history().await[0].at,
        at(1) + TimeDelta::seconds(12_500),
        "the newest stay"
    );
    assert_eq!(s.fires.purge().await.unwrap(), 0);
}
