//! Lines in a Loki.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use jobber::logs::loki::LokiLogs;
use jobber::logs::{LogArchive, LogArchiveError, LogCursor, LogFilter, LogQuery};
use jobber_actors::domain::{InvocationId, JobId};
use jobber_actors::ports::{LogStore, OutputStream};

use super::Keeper;
use crate::support::loki::{Labels, Loki};

async fn keeper() -> (Keeper, Loki) {
    let loki = Loki::start();
    let keeper = keeper_at(&loki).await;
    (keeper, loki)
}

async fn keeper_at(loki: &Loki) -> Keeper {
    Keeper::new(Arc::new(LokiLogs::new(&loki.section()).await.unwrap()))
}

tell_all!(keeper());

fn newest(limit: u16) -> LogQuery {
    LogQuery {
        limit,
        ..LogQuery::default()
    }
}

#[tokio::test]
async fn a_job_has_a_stream_for_each_of_its_outputs_and_no_more() {
    let (keeper, loki) = keeper().await;
    let jobs: Vec<_> = (0..10).map(|_| JobId::generate()).collect();
    let lines: Vec<_> = (0..3_000)
        .map(|n| {
            let mut line = keeper.line(jobs[n % 10], 0, &format!("message {n}"));
            line.stream = OutputStream::ALL[n % 3];
            line.invocation = Some(InvocationId::generate());
            line
        })
        .collect();
    keeper.keep(&lines).await;
    let streams = loki.streams();
    assert_eq!(streams.len(), 30);
    let names: BTreeSet<_> = streams
        .iter()
        .flat_map(|labels| labels.keys().map(String::as_str))
        .collect();
    assert_eq!(names, BTreeSet::from(["job_id", "service_name", "stream"]));
    assert_eq!(loki.lines(), 3_000);
    assert_eq!(loki.pushes(), 2, "a push has up to 2,000 lines");
    // `ann:secret`, as the address says.
    assert_eq!(loki.credentials().as_deref(), Some("Basic YW5uOnNlY3JldA=="));
}

#[tokio::test]
async fn what_is_refused_for_now_is_told_with_how_much_is_kept() {
    let (keeper, loki) = keeper().await;
    let job = JobId::generate();
    let lines: Vec<_> = (0..4_500).map(|n| keeper.line(job, n, &n.to_string())).collect();
    for (status, seconds) in [(429, Some(7)), (500, None), (503, None), (401, None)] {
        loki.refuse(1, status, seconds);
        let error = keeper.store.append(&lines).await.unwrap_err();
        assert!(error.unreachable, "{error}");
        assert_eq!(error.kept, 0);
        assert_eq!(error.retry_after.map(|time| time.as_secs()), seconds);
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert_eq!(loki.lines(), 0);
    keeper.keep(&lines).await;
    assert_eq!(keeper.messages(&[job], newest(1)).await, ["4499"]);
    assert_eq!(loki.lines(), 4_500);
}

#[tokio::test]
async fn a_push_whose_answer_is_lost_is_made_again_and_kept_once() {
    let (keeper, loki) = keeper().await;
    let job = JobId::generate();
    let lines: Vec<_> = (0..3_000).map(|n| keeper.line(job, 0, &n.to_string())).collect();
    loki.be_deaf(1);
    let error = keeper.store.append(&lines).await.unwrap_err();
    assert_eq!(error.kept, 0);
    assert_eq!(loki.lines(), 2_000);
    loki.be_deaf(0);
    keeper.keep(&lines).await;
    assert_eq!(loki.lines(), 3_000);
    assert_eq!(keeper.messages(&[job], newest(2)).await, ["2998", "2999"]);
}

#[tokio::test]
async fn lines_that_loki_never_takes_do_not_keep_others_back() {
    let (keeper, loki) = keeper().await;
    let job = JobId::generate();
    let mut old = keeper.line(job, 0, "too old");
    old.time -= TimeDelta::days(8);
    let long = keeper.line(job, 1, &"\u{1}".repeat(64 * 1024));
    keeper.keep(&[old, long, keeper.line(job, 2, "good")]).await;
    let kept = keeper.messages(&[job], newest(10)).await;
    assert_eq!(kept.len(), 2);
    assert!(kept[0].ends_with("bytes of this line were cut]"));
    assert_eq!(kept[1], "good");
    assert_eq!(loki.lines(), 2);
}

#[tokio::test]
async fn two_servers_write_of_one_job_and_no_line_is_lost() {
    let loki = Loki::start();
    let (one, two) = (keeper_at(&loki).await, keeper_at(&loki).await);
    let job = JobId::generate();
    let lines = |name: &str| {
        (0..50)
            .map(|n| one.line(job, n / 10, &format!("{name} {n}")))
            .collect::<Vec<_>>()
    };
    one.keep(&lines("one")).await;
    two.keep(&lines("two")).await;
    let mut query = LogQuery {
        after: Some(LogCursor::at(one.moment(0))),
        ..newest(7)
    };
    let mut seen = Vec::new();
    loop {
        let page = two.read(&[job], query.clone()).await;
        let Some(last) = page.last() else { break };
        query.after = Some(last.cursor);
        seen.extend(page.into_iter().map(|line| line.message));
    }
    for name in ["one", "two"] {
        let of_one: Vec<_> = seen
            .iter()
            .filter(|message| message.starts_with(name))
            .cloned()
            .collect();
        let expected: Vec<_> = (0..50).map(|n| format!("{name} {n}")).collect();
        assert_eq!(of_one, expected);
    }
    assert_eq!(seen.len(), 100);
}

#[tokio::test]
async fn what_others_keep_in_the_same_loki_is_left_alone() {
    let (keeper, loki) = keeper().await;
    let job = JobId::generate();
    keeper.keep(&[keeper.line(job, 0, "ours")]).await;
    let now = keeper.moment(1).timestamp_nanos_opt().unwrap();
    let labels = |pairs: &[(&str, &str)]| -> Labels {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        owned.collect()
    };
    let id = job.to_string();
    loki.put(labels(&[("service_name", "other"), ("job_id", &id)]), now, "{}");
    loki.put(
        labels(&[("service_name", "jobber"), ("job_id", &id), ("stream", "stdout")]),
        now,
        "no line of Jobber's",
    );
    assert_eq!(keeper.messages(&[job], newest(10)).await, ["ours"]);
}

#[tokio::test]
async fn a_question_is_bounded_in_time_and_length() {
    let (keeper, loki) = keeper().await;
    let jobs: Vec<_> = (0..3_000).map(|_| JobId::generate()).collect();
    keeper
        .keep(&[
            keeper.line(jobs[0], 0, "first"),
            keeper.line(jobs[2_999], 1, "last"),
        ])
        .await;
    assert_eq!(keeper.messages(&jobs, newest(10)).await, ["first", "last"]);
    let questions = loki.questions();
    assert_eq!(questions.len(), 2);
    let day = TimeDelta::days(1).num_nanoseconds().unwrap();
    assert!(
        questions
            .iter()
            .all(|question| question.end - question.start < day + day / 10)
    );

    // The answer is in the last of these windows.
    let filter = LogFilter {
        from: Some(keeper.moment(0) - TimeDelta::days(100)),
        ..LogFilter::default()
    };
    let forward = LogQuery {
        after: filter.from.map(LogCursor::at),
        filter,
        ..newest(10)
    };
    assert_eq!(keeper.messages(&jobs[..1], forward).await, ["first"]);
    assert_eq!(loki.questions().len(), 2 + 4);
}

#[tokio::test]
async fn a_loki_that_can_not_answer_is_told_apart_from_one_that_does_not_understand() {
    let (keeper, loki) = keeper().await;
    let job = JobId::generate();
    loki.refuse(1, 500, None);
    let failed = keeper.archive.read(&[job], &newest(1)).await;
    assert!(
        matches!(failed, Err(LogArchiveError::Unavailable(_))),
        "{failed:?}"
    );
    loki.refuse(1, 400, None);
    let failed = keeper.archive.read(&[job], &newest(1)).await;
    assert!(matches!(failed, Err(LogArchiveError::Failed(_))), "{failed:?}");

    let section = loki.section();
    drop(loki);
    let gone = LokiLogs::new(&section).await.unwrap();
    let failed = gone.read(&[job], &newest(1)).await;
    assert!(
        matches!(failed, Err(LogArchiveError::Unavailable(_))),
        "{failed:?}"
    );
    let error = gone.append(&[keeper.line(job, 0, "x")]).await.unwrap_err();
    assert!(error.unreachable);
    assert!(!error.to_string().contains("secret"), "{error}");
}
