//! Crash schedules: random interleavings of everything that can happen, from a seed. Whatever they are, every admitted
//! invocation is answered, every message that the broker has taken is handled, all permits come back, and nothing is left at the
//! end.
//!
//! `JOBBER_SEED=17 cargo test -p jobber-actors schedules` runs one of them alone, and says what it does;
//! `JOBBER_SEEDS=10000` runs so many instead of three hundred.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jobber_kernel::testing::run_paused;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::seconds;
use crate::action::ActionHandle;
use crate::domain::JobVersion;
use crate::invocation::{BodySender, InputBody, Outcome, PendingReply, body_channel};
use crate::testing::{
    FakePackage, LoadScript, RunnerScript, Sent, StartScript, TestTree, test_settings, whole,
};
use crate::tree::TreeSettings;

/// How many seeds; each takes a few milliseconds.
const SEEDS: u64 = 300;
const STEPS: usize = 60;
/// Longest time after which an invocation must have been answered, however the crashes fall: its wait in the queue, its
/// deadline and grace, and the restarts of everything above it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(300);

const KINDS: [&str; 17] = [
    "action",
    "action",
    "runner",
    "runner",
    "job",
    "jobs",
    "gateway",
    "http-trigger",
    "log-sink",
    "runner-manager",
    "engine",
    "mqtt",
    "mqtt-connection",
    "mqtt-connection",
    "mqtt-trigger",
    "deliveries",
    "deliveries",
];
const TOPICS: [&str; 7] = ["x", "x", "throw", "wait/50", "wait/3000", "flaky/1", "exit"];
const PATHS: [&str; 14] = [
    "x",
    "x",
    "echo",
    "throw",
    "wait/50",
    "wait/3000",
    "never",
    "stubborn",
    "settle",
    "stream/700",
    "half",
    "late",
    "twice",
    "exit",
];

struct Schedule {
    seed: u64,
    tree: TestTree,
    rng: StdRng,
    packages: Vec<FakePackage>,
    versions: Vec<Arc<JobVersion>>,
    pending: Vec<PendingReply>,
    senders: Vec<BodySender>,
    /// Every lane that a call went through, also of versions that no longer serve.
    lanes: Vec<ActionHandle>,
    answered: usize,
    /// Messages that the broker has taken for a session.
    messages: Vec<String>,
}

impl Schedule {
    async fn run(seed: u64) -> usize {
        let mut rng = StdRng::seed_from_u64(seed);
        let settings = TreeSettings {
            drain_time: seconds(10),
            runner_start_time: seconds(10),
            runner_load_time: seconds(10),
            prepared_time: seconds(10),
            seed,
            ..test_settings()
        };
        let packages = ["one", "two"]
            .map(|name| {
                let topic = format!("{name}/#");
                let trigger = json!({ "type": "mqtt", "topics": [topic], "connection": { "host": name } });
                FakePackage::named(name).action(action(&mut rng)).trigger(trigger)
            })
            .to_vec();
        let mut schedule = Self {
            seed,
            tree: TestTree::start_with(settings),
            rng,
            packages,
            versions: Vec::new(),
            pending: Vec::new(),
            senders: Vec::new(),
            lanes: Vec::new(),
            answered: 0,
            messages: Vec::new(),
        };
        for number in 0..2 {
            schedule.publish(number);
        }
        for _ in 0..STEPS {
            schedule.step().await;
        }
        schedule.finish().await
    }

    fn publish(&mut self, package: usize) {
        let number = self.versions.len();
        let version = format!("1.0.{number}");
        let package = self.packages[package].clone().version(&version);
        let version = self
            .tree
            .catalogue
            .publish(&package.action(action(&mut self.rng)));
        self.tree.catalogue.activate(&version);
        self.tree.handle.hint(Some(version.job));
        self.versions.push(version);
    }

    async fn step(&mut self) {
        let step = self.rng.random_range(0..100);
        if std::env::var_os("JOBBER_SEED").is_some() {
            println!("seed {}: step {step}, {:?}", self.seed, self.tree.engine.counts());
        }
        match step {
            0..25 => self.send(),
            25..40 => self.send_message(),
            40..46 => self.leave(),
            46..60 => self.crash(),
            60..66 => self.kill(),
            66..72 => self.script(),
            72..75 => {
                let package = self.rng.random_range(0..2);
                self.publish(package);
            }
            75..78 => self.change_environment(),
            78..80 => self.blink(),
            80..82 => self.trouble(),
            82..84 => self.senders.clear(),
            _ => {
                let millis = [1, 5, 20, 100, 700, 2500, 11_000].choose(&mut self.rng).copied();
                sleep(Duration::from_millis(millis.unwrap_or(1))).await;
            }
        }
    }

    fn send(&mut self) {
        let package = ["one", "two"][self.rng.random_range(0..2)];
        let what = PATHS.choose(&mut self.rng).copied().unwrap_or("x");
        let path = format!("/{package}/{what}");
        let size = [0, 10, 70_000, 400_000][self.rng.random_range(0..4)];
        let body = if self.rng.random_bool(0.2) {
            let (mut sender, receiver) = body_channel(1024);
            sender.push(Bytes::from_static(b"the first part"));
            self.senders.push(sender);
            InputBody::Stream(receiver)
        } else {
            InputBody::Whole(Bytes::from(vec![b'b'; size]))
        };
        if let Some(target) = self.tree.route(&path) {
            self.lanes.push(target.action);
        }
        if let Ok(pending) = self.tree.send_body(&path, body) {
            self.pending.push(pending);
        }
    }

    fn send_message(&mut self) {
        let package = ["one", "two"][self.rng.random_range(0..2)];
        let what = TOPICS.choose(&mut self.rng).copied().unwrap_or("x");
        let payload = format!("message {}", self.messages.len());
        let sent = Sent::new(&format!("{package}/{what}"), &payload);
        if self.tree.broker.publish(&sent) > 0 {
            self.messages.push(payload);
        }
    }

    fn leave(&mut self) {
        if !self.pending.is_empty() {
            let index = self.rng.random_range(0..self.pending.len());
            drop(self.pending.swap_remove(index));
        }
    }

    fn crash(&mut self) {
        let kind = KINDS.choose(&mut self.rng).copied().unwrap_or("action");
        let victims = crate::testing::crash::victims(kind);
        if let Some(victim) = victims.choose(&mut self.rng) {
            crate::testing::crash::crash(victim);
        }
    }

    fn kill(&mut self) {
        let live = self.tree.engine.live();
        if let Some(runner) = live.choose(&mut self.rng) {
            match self.rng.random_range(0..3) {
                0 => drop(self.tree.handle.stop_runner(*runner, self.rng.random_bool(0.5))),
                _ => drop(self.tree.engine.kill(*runner)),
            }
        }
    }

    fn script(&mut self) {
        let start = match self.rng.random_range(0..8) {
            0 => StartScript::Fails("no image".into()),
            1 => StartScript::Silent,
            2 => StartScript::Hangs,
            3 => StartScript::Exits(9),
            4 => StartScript::Takes(seconds(2)),
            _ => StartScript::Works,
        };
        let load = match self.rng.random_range(0..8) {
            0 => LoadScript::Rejects("no such module".into()),
            1 => LoadScript::Hangs,
            2 => LoadScript::Exits(1),
            3 => LoadScript::BreaksProtocol,
            4 => LoadScript::Takes(seconds(2)),
            _ => LoadScript::Works,
        };
        let ignores_shutdown = self.rng.random_bool(0.3);
        self.tree.engine.next(RunnerScript {
            start,
            load,
            ignores_shutdown,
        });
    }

    fn change_environment(&mut self) {
        let job = self.versions[self.rng.random_range(0..2)].job;
        let value = self.rng.random::<u16>().to_string();
        self.tree.catalogue.set_environment(job, &[("COLOUR", &value)]);
        self.tree.handle.hint(Some(job));
    }

    fn blink(&mut self) {
        let job = self.versions[self.rng.random_range(0..2)].job;
        let enabled = self.rng.random_bool(0.6);
        self.tree.catalogue.enable(job, enabled);
        self.tree.handle.hint(Some(job));
    }

    fn trouble(&mut self) {
        let trouble = self.rng.random_bool(0.5);
        match self.rng.random_range(0..6) {
            0 => self.tree.engine.unreachable(trouble),
            1 => self.tree.catalogue.unreachable(trouble),
            2 => self.tree.deliveries.fail(trouble),
            3 => self.tree.broker.set_down(trouble.then_some("a test wants it so")),
            4 => self.tree.broker.cut(),
            _ => self.tree.logs.fail(u32::from(trouble) * 3),
        }
    }

    /// The trouble is over: everything must come to rest, and the functions must answer again.
    async fn finish(mut self) -> usize {
        let seed = self.seed;
        self.tree.engine.unreachable(false);
        self.tree.catalogue.unreachable(false);
        self.tree.deliveries.fail(false);
        self.tree.broker.set_down(None);
        self.senders.clear();
        for pending in std::mem::take(&mut self.pending) {
            let outcome = timeout(ANSWERED_WITHIN, pending.outcome()).await;
            let Ok(outcome) = outcome else {
                panic!("seed {seed}: an invocation was never answered")
            };
            if let Outcome::Responded { body, .. } = outcome {
                let read = timeout(ANSWERED_WITHIN, whole(body)).await;
                assert!(read.is_ok(), "seed {seed}: an answer never came to its end");
            }
            self.answered += 1;
        }
        for version in &self.versions[..2] {
            self.tree.catalogue.enable(version.job, true);
        }
        self.tree.handle.hint(None);
        self.serves_again("/one/x").await;
        self.serves_again("/two/x").await;
        self.handles_every_message().await;
        let deadline = tokio::time::Instant::now() + ANSWERED_WITHIN;
        loop {
            let busy = self
                .lanes
                .iter()
                .map(ActionHandle::gauge)
                .find(|gauge| gauge.running + gauge.waiting > 0);
            let Some(gauge) = busy else { break };
            assert!(
                tokio::time::Instant::now() < deadline,
                "seed {seed}: permits did not come back: {gauge:?}"
            );
            sleep(Duration::from_millis(100)).await;
        }
        // Whoever is not answered for is found by the reaper, and retired versions have ended.
        sleep(seconds(130)).await;
        let registered = self.tree.handle.runners(None).len();
        let live = self.tree.engine.counts().live;
        assert!(
            live <= registered,
            "seed {seed}: {live} runners, {registered} of them registered"
        );
        let actions = self.tree.actors("action").await;
        assert_eq!(actions.len(), 2, "seed {seed}: {actions:?}");
        let stopped = timeout(ANSWERED_WITHIN, self.tree.shut_down()).await;
        assert!(stopped.is_ok(), "seed {seed}: it did not shut down");
        self.answered
    }

    /// Also those whose handler failed: they were tried, and are done or dead letters now.
    async fn handles_every_message(&self) {
        let deadline = tokio::time::Instant::now() + ANSWERED_WITHIN;
        while self.tree.broker.unfinished() + self.tree.deliveries.unfinished() > 0 {
            assert!(
                tokio::time::Instant::now() < deadline,
                "seed {}: {} messages are not finished, and {} deliveries",
                self.seed,
                self.tree.broker.unfinished(),
                self.tree.deliveries.unfinished()
            );
            sleep(Duration::from_millis(500)).await;
        }
        let events = self.tree.engine.events();
        let handled: HashSet<&str> = events.iter().map(|event| event.payload.as_str()).collect();
        let lost: Vec<&String> = self
            .messages
            .iter()
            .filter(|message| !handled.contains(message.as_str()))
            .collect();
        assert!(lost.is_empty(), "seed {}: lost {lost:?}", self.seed);
    }

    async fn serves_again(&self, path: &str) {
        let deadline = tokio::time::Instant::now() + ANSWERED_WITHIN;
        loop {
            if let Ok(pending) = self.tree.send(path)
                && let Outcome::Responded { .. } = pending.outcome().await
            {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "seed {}: {path} does not serve again",
                self.seed
            );
            sleep(Duration::from_millis(500)).await;
        }
    }
}

fn action(rng: &mut StdRng) -> serde_json::Value {
    json!({
        "runnerAsynchronous": rng.random_bool(0.6),
        "runnerMinCount": rng.random_range(0..3),
        "runnerMaxCount": rng.random_range(2..5),
        "runnerTimeout": 5,
        "runnerMaxIdleAge": rng.random_range(0..2) * 4,
        "runnerMaxAge": rng.random_range(0..2) * 15,
        "runnerMaxAgeHard": rng.random_range(0..2) * 30,
        "runnerMode": if rng.random_bool(0.2) { "run-once" } else { "standard" },
        "queue": { "length": 8, "wait": 6 },
        "retries": { "max": rng.random_range(0..3), "backoff": 2 },
    })
}

fn run(seed: u64) -> usize {
    println!("seed {seed}");
    run_paused(Schedule::run(seed))
}

/// In several tests, so that they run side by side.
fn run_share(share: u64) {
    if let Ok(seed) = std::env::var("JOBBER_SEED") {
        let seed: u64 = seed.parse().expect("JOBBER_SEED is a number");
        if seed % 4 == share {
            run(seed);
        }
        return;
    }
    let seeds =
        std::env::var("JOBBER_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("JOBBER_SEEDS is a number"));
    let answered: usize = (0..seeds).filter(|seed| seed % 4 == share).map(run).sum();
    assert!(answered > 300, "the schedules test something: {answered}");
}

#[test]
fn everything_is_answered_whatever_crashes_first_share() {
    run_share(0);
}

#[test]
fn everything_is_answered_whatever_crashes_second_share() {
    run_share(1);
}

#[test]
fn everything_is_answered_whatever_crashes_third_share() {
    run_share(2);
}

#[test]
fn everything_is_answered_whatever_crashes_fourth_share() {
    run_share(3);
}
