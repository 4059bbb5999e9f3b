//! Messages survive whatever ends between the broker and the function.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::listens;
use crate::support::{Broker, MqttClient, Options, Server, containers_of, eventually, kill_container};

const MESSAGES: usize = 20_000;
/// The rest of each part is published while something ends.
const PART: usize = MESSAGES / 4;
/// So much of a part has been published before.
const FIRST: usize = PART / 5;
const BOUND: Duration = Duration::from_secs(120);
/// Between two looks at what takes a while to count.
const COUNT_PAUSE: Duration = Duration::from_millis(500);

/// Counts in the store how often each number came: what was counted survives runners and servers.
const COUNTS: &str = r#"
    export async function handler(request, response, context) {
        if (request.type() === 'mqtt') {
            if (await context.increment(`number/${request.text()}`) > 1) await context.increment('repeats');
            return;
        }
        const missing = new Set(Array.from({ length: Number(request.query('of')) }, (_, number) => `number/${number}`));
        for (let after; after !== null; ) {
            const page = await context.list('number/', { limit: 1000, after });
            for (const { key } of page.items) missing.delete(key);
            after = page.next;
        }
        const repeats = Number((await context.getStore('repeats'))?.value ?? 0);
        response.json({ missing: missing.size, some: [...missing].slice(0, 50), repeats });
    }"#;

/// Messages that were handled since the server's start.
async fn handled(server: &Server) -> usize {
    let status = server.trigger_status("counts", "numbers").await;
    let handled = &status["details"]["connections"][0]["messages"]["handled"];
    usize::try_from(handled.as_u64().unwrap_or(0)).unwrap()
}

/// Publishes the first of a part, and waits until some of it is handled.
async fn publish_first(publisher: &MqttClient, part: usize, server: &Server) {
    let before = handled(server).await;
    publisher
        .publish_numbers("numbers", part * PART..part * PART + FIRST)
        .await;
    eventually("some are handled", BOUND, async || {
        (handled(server).await >= before + FIRST / 2).then_some(())
    })
    .await;
}

async fn publish_rest(publisher: &MqttClient, part: usize) {
    publisher
        .publish_numbers("numbers", part * PART + FIRST..(part + 1) * PART)
        .await;
}

/// Waits until every number was counted. Gives the number of repeats.
async fn until_all_are_counted(server: &Server) -> u64 {
    let until = Instant::now() + BOUND;
    loop {
        let counted = server.get(&format!("/counts?of={MESSAGES}")).await;
        let counted: Value = counted.json().await.unwrap();
        if counted["missing"] == 0 {
            return counted["repeats"].as_u64().unwrap();
        }
        if Instant::now() > until {
            let status = server.trigger_status("counts", "numbers").await;
            let queue = server.api("/api/job/counts/queue").await;
            panic!("not within {BOUND:?}: {counted:#} {status:#} {queue:#}");
        }
        tokio::time::sleep(COUNT_PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_lost_when_servers_brokers_and_runners_end() {
    let mut broker = Broker::start().await;
    let mut server = Server::start(Options::default()).await;
    let connection = json!({ "host": "127.0.0.1", "port": broker.port() });
    let package = listens("counts", COUNTS, "numbers", &["numbers"], connection)
        .action(json!({ "runnerMinCount": 2, "runnerMaxCount": 2 }));
    server.publish(&package).await.expect();
    server.until_trigger("counts", "numbers", "healthy", "").await;
    let publisher = broker.client().await;
    let began = Instant::now();

    publish_first(&publisher, 0, &server).await;
    tokio::join!(publish_rest(&publisher, 0), async {
        server.kill();
        server = server.start_again(Options::default()).await;
    });
    publish_first(&publisher, 1, &server).await;
    tokio::join!(publish_rest(&publisher, 1), async {
        broker.stop().await;
        broker.start_again().await;
    });
    publish_first(&publisher, 2, &server).await;
    tokio::join!(publish_rest(&publisher, 2), async {
        let runner = server.ready_runners("counts").await.remove(0);
        kill_container(&containers_of("jobber.runner", &runner).await[0]).await;
    });
    publish_first(&publisher, 3, &server).await;
    tokio::join!(publish_rest(&publisher, 3), async {
        server.kill();
        server = server.start_again(Options::default()).await;
    });

    let repeats = until_all_are_counted(&server).await;
    println!("{MESSAGES} messages, {repeats} repeats, in {:?}", began.elapsed());
    server.dead_letters("counts", 0).await;
    server.stop();
}
