//! Messages survive whatever ends between the broker and the function.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::listens;
use crate::support::{Broker, MqttClient, Options, Server, containers_of, eventually, kill_container};

const MESSAGES: usize = 20_000;
/// Each part of the messages is published while something else ends.
const PART: usize = MESSAGES / 4;
/// So much of a part is published, and as much handled, when that happens.
const UNDER_WAY: usize = 1_000;
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

/// Publishes a part of the numbers. While it does, and when some of it is on its way, something ends.
async fn meanwhile(publisher: &MqttClient, part: usize, ends: impl AsyncFnOnce()) {
    let published = AtomicUsize::new(0);
    let numbers = part * PART..(part + 1) * PART;
    let publishes = publisher.publish_numbers("numbers", numbers, &published);
    let ends = async {
        eventually("some are published", BOUND, async || {
            (published.load(Ordering::Relaxed) >= UNDER_WAY).then_some(())
        })
        .await;
        ends().await;
    };
    tokio::join!(publishes, ends);
}

/// Messages that were handled since the server's start.
async fn handled(server: &Server) -> usize {
    let status = server.trigger_status("counts", "numbers").await;
    let handled = &status["details"]["connections"][0]["messages"]["handled"];
    usize::try_from(handled.as_u64().unwrap_or(0)).unwrap()
}

/// Waits until so many more are handled.
async fn until_handled(server: &Server, more: usize) {
    let before = handled(server).await;
    eventually("some are handled", BOUND, async || {
        (handled(server).await >= before + more).then_some(())
    })
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

    meanwhile(&publisher, 0, async || {
        until_handled(&server, UNDER_WAY).await;
        server.kill();
        server = server.start_again(Options::default()).await;
    })
    .await;
    meanwhile(&publisher, 1, async || {
        broker.stop().await;
        broker.start_again().await;
    })
    .await;
    meanwhile(&publisher, 2, async || {
        until_handled(&server, UNDER_WAY).await;
        let runner = server.ready_runners("counts").await.remove(0);
        kill_container(&containers_of("jobber.runner", &runner).await[0]).await;
    })
    .await;
    meanwhile(&publisher, 3, async || {
        until_handled(&server, UNDER_WAY).await;
        server.kill();
        server = server.start_again(Options::default()).await;
    })
    .await;

    let repeats = until_all_are_counted(&server).await;
    println!("{MESSAGES} messages, {repeats} repeats, in {:?}", began.elapsed());
    server.dead_letters("counts", 0).await;
    server.stop();
}
