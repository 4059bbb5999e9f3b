//! Two servers on one database and one data directory, of which one is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{Broker, Machine, Package, Serving, eventually};

const MESSAGES: usize = 3_000;
/// Published before anything ends.
const FIRST: usize = 1_000;
/// What the killed server had in hand is due again when its lease has run out.
const BOUND: Duration = Duration::from_secs(120);

/// Keeps in the store which numbers and which instants have come.
const COUNTS: &str = r#"
    export async function handler(request, response, context) {
        if (request.type() === 'mqtt') return context.increment(`number/${request.text()}`);
        if (request.type() === 'schedule') return context.increment(`instant/${request.scheduledAt().toISOString()}`);
        const come = async (prefix) => {
            const keys = [];
            for (let after; after !== null; ) {
                const page = await context.list(prefix, { limit: 1000, after });
                keys.push(...page.items.map(({ key }) => key.slice(prefix.length)));
                after = page.next;
            }
            return keys;
        };
        response.json({ numbers: (await come('number/')).length, instants: await come('instant/') });
    }"#;

impl Serving {
    async fn api(&self, path: &str) -> Value {
        let client = jobber::outgoing::without_tls().build().unwrap();
        let request = client
            .get(format!("{}{path}", self.admin))
            .bearer_auth(&self.token);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["data"].clone()
    }

    /// Waits until it says this of its connection to the broker.
    async fn until_connection(&self, expected: &str) {
        eventually(&format!("the connection: {expected}"), BOUND, || async {
            let status = self.api("/api/job/counts/triggers/numbers/status").await;
            let said = status["message"].as_str().unwrap_or_default();
            said.contains(expected).then_some(())
        })
        .await;
    }

    /// What has come, as the function tells it on this server.
    async fn come(&self) -> Option<(usize, BTreeSet<DateTime<Utc>>)> {
        let said = self.tool.run(&["invoke", "counts", "--json"]).await;
        if said.status != 0 {
            return None;
        }
        let answer: Value = serde_json::from_str(said.json()["body"]["text"].as_str()?).unwrap();
        let numbers = usize::try_from(answer["numbers"].as_u64()?).unwrap();
        Some((numbers, answer["instants"].as_array()?.iter().map(time).collect()))
    }

    /// The instants that are recorded as fired, in order, up to now.
    async fn fired(&self) -> Vec<DateTime<Utc>> {
        let fires = self
            .api("/api/job/counts/triggers/each-second/fires?limit=100")
            .await;
        let fires = fires.as_array().unwrap();
        assert!(fires.iter().all(|fire| fire["state"] == "fired"), "{fires:#?}");
        let mut at: Vec<_> = fires.iter().map(|fire| time(&fire["at"])).collect();
        at.sort_unstable();
        at
    }
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_server_has_the_messages_and_instants_of_one_that_is_killed() {
    let (machine, broker) = (Machine::new().await, Broker::start().await);
    let mut first = machine.serve_as("first").await;
    let connection = json!({ "host": "127.0.0.1", "port": broker.port() });
    let package = Package::new("counts", COUNTS)
        .trigger(
            json!({ "type": "mqtt", "name": "numbers", "topics": ["numbers"], "connection": connection }),
        )
        .trigger(json!({ "type": "schedule", "name": "each-second", "cron": "* * * * * *" }));
    let folder = first.tool.home().join("counts");
    package.write(&folder);
    first.tool.run(&["publish", "counts"]).await.expect();
    first.until_connection("connected").await;
    let mut second = machine.serve_as("second").await;
    second.until_connection("another server has the connection").await;

    let publisher = broker.client().await;
    publisher.publish_numbers("numbers", 0..FIRST).await;
    let killed = Utc::now();
    let kill = async { first.process.kill().await.unwrap() };
    tokio::join!(publisher.publish_numbers("numbers", FIRST..MESSAGES), kill);
    second.until_connection("connected").await;
    let instants = eventually("everything has come", BOUND, || async {
        let fired = second.fired().await;
        let until = Utc::now() - TimeDelta::seconds(2);
        let (numbers, mut instants) = second.come().await?;
        // The latest ones may be on their way.
        instants.retain(|at| *at < until);
        let missing = fired.iter().filter(|at| **at < until && !instants.contains(at));
        let long_after = until - killed > TimeDelta::seconds(5);
        (numbers == MESSAGES && missing.count() == 0 && long_after).then_some(instants)
    })
    .await;
    let instants: Vec<_> = instants.into_iter().collect();
    assert!(
        instants
            .windows(2)
            .all(|pair| pair[1] - pair[0] == TimeDelta::seconds(1)),
        "none was left out: {instants:?}"
    );
    let dead = second.api("/api/job/counts/dead-letters").await;
    assert_eq!(dead, json!([]));
    second.process.kill().await.unwrap();
    machine.end().await;
}
