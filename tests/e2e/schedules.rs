//! Schedules, by a real clock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Options, Package, Server, eventually, shared};

const BOUND: Duration = Duration::from_secs(60);
/// Between two instants in the story about missed ones.
const STEP: TimeDelta = TimeDelta::seconds(2);
/// What is later than this was missed.
const TOLERANCE: TimeDelta = TimeDelta::seconds(10);
/// How long a server is away, for some instants to be missed.
const LONG: Duration = Duration::from_secs(17);

fn schedule(name: &str, cron: &str, field: &str, value: &str) -> Value {
    json!({ "type": "schedule", "name": name, "cron": cron, field: value })
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

/// What became of a schedule's instants, the oldest first.
async fn fires(server: &Server, job: &str, trigger: &str) -> Vec<Value> {
    let fires = server
        .api(&format!("/api/job/{job}/triggers/{trigger}/fires?limit=100"))
        .await;
    fires["data"].as_array().unwrap().iter().rev().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_reports_on_the_second_and_can_be_run_by_hand() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/schedule-report");
    let options = Options {
        engine: "process",
        folders: vec![folder],
        ..Options::default()
    };
    let mut server = Server::start(options).await;
    let reports = eventually("two reports", BOUND, async || {
        let answer: Value = server.get("/report").await.json().await.unwrap();
        let reports = answer["reports"].as_array().unwrap().clone();
        (reports.len() == 2).then_some(reports)
    })
    .await;
    let reported: Vec<DateTime<Utc>> = reports
        .iter()
        .rev()
        .map(|report| time(&report["scheduledAt"]))
        .collect();
    assert_eq!(reported[1] - reported[0], TimeDelta::seconds(10));
    assert_eq!(reported[0].timestamp_millis() % 10_000, 0, "{reported:?}");
    let recorded = fires(&server, "schedule-report", "report").await;
    assert!(
        recorded.iter().all(|fire| fire["state"] == "fired"),
        "{recorded:#?}"
    );
    assert!(
        reported
            .iter()
            .all(|at| recorded.iter().any(|fire| time(&fire["at"]) == *at))
    );

    let triggers = server.api("/api/job/schedule-report/triggers:current").await;
    let schedule = triggers["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|trigger| trigger["type"] == "schedule");
    let next: Vec<_> = schedule.unwrap()["next"]
        .as_array()
        .unwrap()
        .iter()
        .map(time)
        .collect();
    assert_eq!(next.len(), 5);
    assert!(next[0] > reported[1]);
    assert!(
        next.windows(2)
            .all(|pair| pair[1] - pair[0] == TimeDelta::seconds(10)),
        "{next:?}"
    );

    let started = server
        .ask(Method::POST, "/api/job/schedule-report/triggers/report/run", None)
        .await;
    let recorded = fires(&server, "schedule-report", "report").await;
    let by_hand: Vec<_> = recorded.iter().filter(|fire| fire["manual"] == true).collect();
    assert_eq!(by_hand.len(), 1, "{recorded:#?}");
    assert_eq!(by_hand[0]["invocationId"], started["data"]["invocationId"]);
    let moment = time(&by_hand[0]["at"]).timestamp_millis();
    eventually("its report", BOUND, async || {
        let answer: Value = server.get("/report").await.json().await.unwrap();
        let mut reports = answer["reports"].as_array().unwrap().iter();
        reports
            .any(|report| time(&report["scheduledAt"]).timestamp_millis() == moment)
            .then_some(())
    })
    .await;
    server.stop();
}

/// Counts in the store how often each instant came.
const COUNTS: &str = r#"
    export async function handler(request, response, context) {
        if (request.type() === 'schedule') {
            await context.increment(`${request.name()} ${request.scheduledAt().toISOString()}`);
            return;
        }
        const { items } = await context.list('', { limit: 1000 });
        const counts = items.map(async ({ key }) => [key, Number((await context.getStore(key)).value)]);
        response.json(Object.fromEntries(await Promise.all(counts)));
    }"#;

/// Waits for a moment at which everything that was due has just been done, so that a kill interrupts nothing.
async fn until_all_is_done(server: &Server) {
    eventually("nothing is under way", BOUND, async || {
        let newest = fires(server, "misses", "none").await.pop()?;
        let queue = server.api("/api/job/misses/queue").await["data"].clone();
        let fresh = Utc::now() - time(&newest["at"]) < STEP / 2;
        (fresh && queue["due"] == 0 && queue["claimed"] == 0).then_some(())
    })
    .await;
}

/// Waits for an instant that was fired after a time.
async fn until_fired_after(server: &Server, after: DateTime<Utc>) {
    eventually("an instant of the new server", BOUND, async || {
        let fires = fires(server, "misses", "none").await;
        let newest = fires.last()?;
        (newest["state"] == "fired" && time(&newest["at"]) > after).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instants_that_a_killed_server_missed_are_made_up_for_as_the_package_says() {
    let mut server = Server::start(Options::default()).await;
    let mut package = Package::new("misses", COUNTS);
    for catch_up in ["none", "last", "all"] {
        package = package.trigger(schedule(catch_up, "*/2 * * * * *", "catchUp", catch_up));
    }
    server.publish(&package).await.expect();
    for away in [LONG, Duration::ZERO] {
        until_fired_after(&server, Utc::now()).await;
        until_all_is_done(&server).await;
        server.kill();
        // No condition to wait for: it is the time without a server that this is about.
        tokio::time::sleep(away).await;
        server = server.start_again(Options::default()).await;
    }
    until_fired_after(&server, Utc::now()).await;

    let mut keys = Vec::new();
    for trigger in ["none", "last", "all"] {
        let fires = fires(&server, "misses", trigger).await;
        is_complete(&fires);
        let (missed, fired): (Vec<_>, Vec<_>) = fires.iter().partition(|fire| fire["state"] == "missed");
        let late = |fire: &&&Value| time(&fire["recorded"]) - time(&fire["at"]) > TOLERANCE;
        let made_up: Vec<_> = fired.iter().filter(late).collect();
        match (trigger, &missed[..], &made_up[..]) {
            ("none", [_], []) => {}
            ("last", [gap], [last]) => assert_eq!(time(&last["at"]), time(&gap["last"]) + STEP),
            ("all", [], [_, _, ..]) => {}
            _ => panic!("{trigger}: {fires:#?}"),
        }
        assert!(
            missed.iter().all(|gap| gap["reason"] == "not-running"),
            "{missed:#?}"
        );
        let key = |fire: &&Value| format!("{trigger} {}", time(&fire["at"]).format("%FT%T%.3fZ"));
        keys.extend(fired.iter().map(key));
    }
    until_all_is_done(&server).await;
    let counts: BTreeMap<String, u64> = server.get("/misses").await.json().await.unwrap();
    for key in keys {
        assert_eq!(counts.get(&key), Some(&1), "{key} came once: {counts:#?}");
    }
    server.stop();
}

/// Every instant was fired or missed, once, from the first to the last.
fn is_complete(fires: &[Value]) {
    let mut next = time(&fires[0]["at"]);
    for fire in fires {
        let (at, last) = (time(&fire["at"]), time(&fire["last"]));
        assert_eq!(at, next, "{fires:#?}");
        assert_eq!(
            (last - at).num_seconds() / STEP.num_seconds() + 1,
            fire["instants"],
            "{fire:#}"
        );
        next = last + STEP;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instants_that_overlap_run_wait_or_are_left_out_as_the_package_says() {
    let server = shared().await;
    let module = r#"
        const open = {}, most = {}, began = {};
        export async function handler(request, response) {
            if (request.type() === 'http') return response.json({ most, began });
            const name = request.name();
            open[name] = (open[name] ?? 0) + 1;
            most[name] = Math.max(most[name] ?? 0, open[name]);
            (began[name] ??= []).push(request.scheduledAt());
            await new Promise((resolve) => setTimeout(resolve, 1500));
            open[name] -= 1;
        }"#;
    let mut package = Package::new("overlaps", module);
    for overlap in ["allow", "skip", "queue"] {
        package = package.trigger(schedule(overlap, "* * * * * *", "overlap", overlap));
    }
    server.publish(&package).await.expect();
    let seen = eventually("four of each", BOUND, async || {
        let seen: Value = server.get("/overlaps").await.json().await.unwrap();
        let many = |name: &str| {
            seen["began"][name]
                .as_array()
                .is_some_and(|began| began.len() >= 4)
        };
        ["allow", "skip", "queue"].into_iter().all(many).then_some(seen)
    })
    .await;
    server.set_status("overlaps", "disabled").await;

    assert!(seen["most"]["allow"].as_u64() > Some(1), "{seen:#}");
    assert_eq!(
        (&seen["most"]["skip"], &seen["most"]["queue"]),
        (&json!(1), &json!(1)),
        "{seen:#}"
    );
    let skipped = fires(server, "overlaps", "skip").await;
    assert!(
        skipped
            .iter()
            .any(|fire| fire["state"] == "skipped" && fire["reason"] == "overlap")
    );
    let queued: Vec<_> = seen["began"]["queue"]
        .as_array()
        .unwrap()
        .iter()
        .map(time)
        .collect();
    let in_turn = queued
        .windows(2)
        .all(|pair| pair[1] - pair[0] == TimeDelta::seconds(1));
    assert!(
        in_turn,
        "each waits for the one before it, and none is left out: {queued:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_whose_handler_fails_for_good_is_a_dead_letter() {
    let server = shared().await;
    let module = r#"
        export function handler(request) {
            throw new Error(`not at attempt ${request.attempt()} either`);
        }"#;
    let package = Package::new("gives-up", module)
        .action(json!({ "retries": { "max": 2, "backoff": 0.2 } }))
        .trigger(json!({ "type": "schedule", "name": "yearly", "cron": "@yearly" }));
    server.publish(&package).await.expect();
    let started = server
        .ask(Method::POST, "/api/job/gives-up/triggers/yearly/run", None)
        .await;
    let letter = server.dead_letters("gives-up", 1).await.remove(0);
    assert_eq!(letter["id"], started["data"]["invocationId"]);
    assert_eq!(letter["type"], "schedule");
    assert_eq!(letter["triggerName"], "yearly");
    assert_eq!(letter["tries"], json!({ "failed": 3, "lost": 0 }));
    assert_eq!(letter["failure"]["reason"], "function-failed");
    assert!(
        letter["failure"]["message"]
            .as_str()
            .unwrap()
            .contains("attempt 3"),
        "{letter:#}"
    );
}
