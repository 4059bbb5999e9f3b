//! What holds whatever keeps the lines. Each driver has every one of these stories.

use jobber::logs::{LogCursor, LogFilter, LogQuery};
use jobber_actors::domain::{InvocationId, JobId, RunnerId, VersionId};
use jobber_actors::ports::{LogLevel, LogLine, OutputStream};
use serde_json::json;

use super::Keeper;

/// Makes a test of each story, with what `$keeper` gives to tell it with.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        /// All stories, for a driver.
        macro_rules! tell_all {
            ($keeper:expr) => {
                $(
                    #[tokio::test]
                    async fn $story() {
                        let (keeper, _world) = $keeper.await;
                        crate::logs::suite::$story(&keeper).await;
                    }
                )*
            };
        }
    };
}

stories!(
    thousands_of_lines_are_kept_at_once_and_paged_both_ways,
    a_line_comes_back_as_it_was_and_nul_costs_only_itself,
    every_filter_finds_its_lines_and_no_others,
    a_text_means_itself_whatever_is_in_it,
    filters_hold_from_page_to_page,
    lines_of_one_moment_are_paged_one_by_one,
    a_line_that_comes_late_stands_where_it_belongs,
    a_window_has_its_first_moment_and_not_its_last,
);

fn limited(limit: u16) -> LogQuery {
    LogQuery {
        limit,
        ..LogQuery::default()
    }
}

fn filtered(filter: LogFilter) -> LogQuery {
    LogQuery {
        filter,
        ..limited(1_000)
    }
}

pub async fn thousands_of_lines_are_kept_at_once_and_paged_both_ways(keeper: &Keeper) {
    let (job, other) = (JobId::generate(), JobId::generate());
    // Lines of one moment keep the order in which they came.
    let mut lines: Vec<LogLine> = (0..5_000)
        .map(|n| keeper.line(job, n / 10, &n.to_string()))
        .collect();
    lines.push(keeper.line(other, 3, "not ours"));
    keeper.keep(&lines).await;
    keeper.keep(&[]).await;

    let newest = keeper.read(&[job], limited(3)).await;
    let messages: Vec<_> = newest.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(messages, ["4997", "4998", "4999"]);
    let before = LogQuery {
        before: Some(newest[0].cursor),
        ..limited(2)
    };
    assert_eq!(keeper.messages(&[job], before).await, ["4995", "4996"]);
    let after = |cursor| LogQuery {
        after: Some(cursor),
        ..limited(10)
    };
    assert_eq!(
        keeper.messages(&[job], after(newest[0].cursor)).await,
        ["4998", "4999"]
    );
    let from_second = LogCursor::at(keeper.moment(1));
    assert_eq!(keeper.messages(&[job], after(from_second)).await[0], "10");

    // All lines, forwards and backwards, each once.
    let mut at = LogCursor::at(keeper.moment(0));
    let mut seen = Vec::new();
    loop {
        let page = LogQuery {
            limit: 999,
            ..after(at)
        };
        let page = keeper.read(&[job], page).await;
        let Some(last) = page.last() else { break };
        at = last.cursor;
        seen.extend(page.into_iter().map(|line| line.message));
    }
    let all: Vec<String> = (0..5_000).map(|n| n.to_string()).collect();
    assert_eq!(seen, all);

    let of_both = LogQuery {
        before: Some(LogCursor::at(keeper.moment(4))),
        ..limited(12)
    };
    let lines = keeper.read(&[job, other], of_both.clone()).await;
    let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
    let mut expected: Vec<_> = (29..40).map(|n| n.to_string()).collect();
    expected.push("not ours".to_owned());
    assert_eq!(messages.len(), 12);
    // The other job's line is of the same moment as ten of this one: where it stands among them is nobody's promise.
    let mut sorted = messages.clone();
    sorted.sort_unstable();
    let mut wanted = expected.clone();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
    assert!(keeper.read(&[], of_both).await.is_empty());
}

pub async fn a_line_comes_back_as_it_was_and_nul_costs_only_itself(keeper: &Keeper) {
    let (job, version, runner, invocation) = (
        JobId::generate(),
        VersionId::generate(),
        RunnerId::generate(),
        InvocationId::generate(),
    );
    let full = LogLine {
        version: Some(version),
        runner: Some(runner),
        invocation: Some(invocation),
        stream: OutputStream::System,
        level: LogLevel::Error,
        fields: Some(json!({"a": [1, "x\u{0}y"], "version": "none", "\"": {"deep": null}})),
        ..keeper.line(job, 0, "grün\u{0}! \"quoted\" \\n\tand 🦀\n  a second line")
    };
    keeper.keep(&[full.clone(), keeper.line(job, 1, "")]).await;
    let lines = keeper.read(&[job], limited(10)).await;
    assert_eq!(lines.len(), 2);
    let line = &lines[0];
    assert_eq!(
        line.message,
        "grün\u{fffd}! \"quoted\" \\n\tand 🦀\n  a second line"
    );
    assert_eq!(
        line.fields,
        Some(json!({"a": [1, "x\u{fffd}y"], "version": "none", "\"": {"deep": null}}))
    );
    assert_eq!((line.version_id, line.runner_id), (Some(version), Some(runner)));
    assert_eq!((line.invocation_id, line.job_id), (Some(invocation), job));
    assert_eq!((line.stream, line.level), (OutputStream::System, LogLevel::Error));
    assert_eq!(line.time, full.time);
    let empty = &lines[1];
    assert_eq!((empty.message.as_str(), empty.fields.as_ref()), ("", None));
    assert_eq!((empty.version_id, empty.invocation_id), (None, None));
}

pub async fn every_filter_finds_its_lines_and_no_others(keeper: &Keeper) {
    let job = JobId::generate();
    let (version, invocation) = (VersionId::generate(), InvocationId::generate());
    let mut lines: Vec<LogLine> = ["zero", "one", "two", "three", "four", "five"]
        .into_iter()
        .zip(0..)
        .map(|(message, second)| keeper.line(job, second, message))
        .collect();
    lines[1].version = Some(version);
    lines[2].invocation = Some(invocation);
    // What looks like another line's mark is only text.
    lines[3].message =
        format!("\"version\":\"{version}\",\"invocation\":\"{invocation}\",\"level\":\"error\"");
    lines[3].fields = Some(json!({"invocation": invocation, "version": version, "level": "error"}));
    lines[4].stream = OutputStream::Stderr;
    lines[4].level = LogLevel::Warn;
    lines[5].stream = OutputStream::System;
    lines[5].level = LogLevel::Error;
    let mut foreign = keeper.line(JobId::generate(), 0, "of another job");
    foreign.invocation = Some(invocation);
    foreign.version = Some(version);
    keeper.keep(&lines).await;
    keeper.keep(&[foreign]).await;

    let any = LogFilter::default;
    for (filter, expected) in [
        (any(), vec![0, 1, 2, 3, 4, 5]),
        (
            LogFilter {
                version: Some(version),
                ..any()
            },
            vec![1],
        ),
        (
            LogFilter {
                invocation: Some(invocation),
                ..any()
            },
            vec![2],
        ),
        (
            LogFilter {
                invocation: Some(InvocationId::generate()),
                ..any()
            },
            vec![],
        ),
        (
            LogFilter {
                stream: Some(OutputStream::Stdout),
                ..any()
            },
            vec![0, 1, 2, 3],
        ),
        (
            LogFilter {
                stream: Some(OutputStream::System),
                ..any()
            },
            vec![5],
        ),
        (
            LogFilter {
                level: Some(LogLevel::Warn),
                ..any()
            },
            vec![4, 5],
        ),
        (
            LogFilter {
                level: Some(LogLevel::Error),
                ..any()
            },
            vec![5],
        ),
        (
            LogFilter {
                text: Some("O".to_owned()),
                ..any()
            },
            vec![0, 1, 2, 3, 4],
        ),
        (
            LogFilter {
                text: Some("o".to_owned()),
                stream: Some(OutputStream::Stderr),
                level: Some(LogLevel::Info),
                from: Some(keeper.moment(2)),
                to: Some(keeper.moment(5)),
                ..any()
            },
            vec![4],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|n: usize| lines[n].message.clone())
            .collect();
        let found = keeper.messages(&[job], filtered(filter.clone())).await;
        assert_eq!(found, expected, "newest with {filter:?}");
        let forward = LogQuery {
            after: Some(LogCursor::at(keeper.moment(0))),
            ..filtered(filter.clone())
        };
        assert_eq!(
            keeper.messages(&[job], forward).await,
            expected,
            "oldest with {filter:?}"
        );
    }
}

pub async fn a_text_means_itself_whatever_is_in_it(keeper: &Keeper) {
    let job = JobId::generate();
    let messages = [
        r#"50% of "all" [a-z]* (x|y) \d+ a_b C:\new"#,
        "GRÜN und weiß; tab\there; bell\u{7}; 日本語",
        "two\nlines {\"message\":\"inner\"}",
        "500 of aXb `back` $1 ^~",
    ];
    let lines: Vec<_> = messages
        .iter()
        .zip(0..)
        .map(|(text, n)| keeper.line(job, n, text))
        .collect();
    keeper.keep(&lines).await;
    for (text, expected) in [
        ("50%", vec![0]),
        ("50", vec![0, 3]),
        ("a_b", vec![0]),
        ("A_B", vec![0]),
        ("\"ALL\"", vec![0]),
        ("[a-z]*", vec![0]),
        ("(x|y)", vec![0]),
        ("\\d+", vec![0]),
        ("\\", vec![0]),
        ("c:\\NEW", vec![0]),
        ("GRÜN", vec![1]),
        ("grÜn", vec![1]),
        // Only A to Z are found in either case.
        ("grün", vec![]),
        ("tab\t", vec![1]),
        ("\u{7}", vec![1]),
        ("日本", vec![1]),
        ("TWO\nlines", vec![2]),
        ("{\"message\":\"inner\"", vec![2]),
        ("message", vec![2]),
        ("stdout", vec![]),
        ("info", vec![]),
        ("`back` $1 ^~", vec![3]),
        ("n", vec![0, 1, 2]),
        (".", vec![]),
    ] {
        let filter = LogFilter {
            text: Some(text.to_owned()),
            ..LogFilter::default()
        };
        let expected: Vec<_> = expected.into_iter().map(|n: usize| messages[n]).collect();
        assert_eq!(
            keeper.messages(&[job], filtered(filter)).await,
            expected,
            "{text:?}"
        );
    }
}

pub async fn filters_hold_from_page_to_page(keeper: &Keeper) {
    let job = JobId::generate();
    let lines: Vec<_> = (0..400)
        .map(|n| {
            let mut line = keeper.line(
                job,
                n / 7,
                &format!("number {n}{}", if n % 4 == 0 { " Four" } else { "" }),
            );
            if n % 3 == 0 {
                line.stream = OutputStream::Stderr;
            }
            line
        })
        .collect();
    keeper.keep(&lines).await;
    let filter = LogFilter {
        stream: Some(OutputStream::Stderr),
        text: Some("four".to_owned()),
        ..LogFilter::default()
    };
    let expected: Vec<_> = (0..400).step_by(12).map(|n| format!("number {n} Four")).collect();
    let mut forward = LogQuery {
        after: Some(LogCursor::at(keeper.moment(0))),
        limit: 5,
        ..filtered(filter.clone())
    };
    let mut seen = Vec::new();
    loop {
        let page = keeper.read(&[job], forward.clone()).await;
        forward.after = page.last().map(|line| line.cursor);
        let is_last = page.len() < 5;
        seen.extend(page.into_iter().map(|line| line.message));
        if is_last {
            break;
        }
    }
    assert_eq!(seen, expected);
    let mut backward = LogQuery {
        limit: 5,
        ..filtered(filter)
    };
    let mut seen = Vec::new();
    loop {
        let mut page = keeper.read(&[job], backward.clone()).await;
        backward.before = page.first().map(|line| line.cursor);
        let is_last = page.len() < 5;
        page.reverse();
        seen.extend(page.into_iter().map(|line| line.message));
        if is_last {
            break;
        }
    }
    seen.reverse();
    assert_eq!(seen, expected);
}

pub async fn lines_of_one_moment_are_paged_one_by_one(keeper: &Keeper) {
    let job = JobId::generate();
    let streams = [OutputStream::Stdout, OutputStream::Stderr];
    // The very same text, too, and written in two batches.
    let line = |n: usize| LogLine {
        stream: streams[n % 2],
        ..keeper.line(job, 0, if n.is_multiple_of(5) { "same" } else { "other" })
    };
    let (first, second): (Vec<_>, Vec<_>) = ((0..20).map(line).collect(), (20..40).map(line).collect());
    keeper.keep(&first).await;
    keeper.keep(&second).await;
    let mut query = LogQuery {
        after: Some(LogCursor::at(keeper.moment(0))),
        ..limited(1)
    };
    let mut seen = Vec::new();
    while let [line] = &keeper.read(&[job], query.clone()).await[..] {
        assert_eq!(line.time, keeper.moment(0));
        seen.push((line.stream, line.message.clone()));
        query.after = Some(line.cursor);
    }
    let expected: Vec<_> = (0..40)
        .map(line)
        .map(|line| (line.stream, line.message))
        .collect();
    assert_eq!(seen, expected);
}

pub async fn a_line_that_comes_late_stands_where_it_belongs(keeper: &Keeper) {
    let job = JobId::generate();
    keeper
        .keep(&[keeper.line(job, 0, "first"), keeper.line(job, 2_000, "third")])
        .await;
    keeper.keep(&[keeper.line(job, 1_000, "second")]).await;
    assert_eq!(
        keeper.messages(&[job], limited(10)).await,
        ["first", "second", "third"]
    );
    assert_eq!(keeper.messages(&[job], limited(2)).await, ["second", "third"]);
}

pub async fn a_window_has_its_first_moment_and_not_its_last(keeper: &Keeper) {
    let job = JobId::generate();
    let lines: Vec<_> = (0..6)
        .map(|n| keeper.line(job, n * 1_000, &n.to_string()))
        .collect();
    keeper.keep(&lines).await;
    let window = |from, to| LogFilter {
        from: Some(keeper.moment(from)),
        to: Some(keeper.moment(to)),
        ..LogFilter::default()
    };
    let found = keeper.messages(&[job], filtered(window(1_000, 4_000))).await;
    assert_eq!(found, ["1", "2", "3"]);
    let query = LogQuery {
        limit: 2,
        ..filtered(window(1_000, 4_000))
    };
    assert_eq!(keeper.messages(&[job], query).await, ["2", "3"]);
    assert!(
        keeper
            .messages(&[job], filtered(window(4_000, 1_000)))
            .await
            .is_empty()
    );
    assert!(
        keeper
            .messages(&[job], filtered(window(5_500, 9_000)))
            .await
            .is_empty()
    );
}
