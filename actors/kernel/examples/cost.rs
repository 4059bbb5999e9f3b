//! What supervision costs: messages per second through plain actix and through the kernel, in turn, on one thread.
//!
//! `cargo run --release -p jobber-kernel --example cost`
#![expect(clippy::print_stdout, reason = "a program whose purpose is its output")]
#![expect(clippy::disallowed_methods, reason = "plain actix is what is compared with")]

use std::time::{Duration, Instant};

use actix::{Actor, Addr, Handler, Message};
use jobber_kernel::{Child, ChildSpec, Context, Tree, ask, tell};

const ROUNDS: u32 = 7;
const TELLS: u32 = 200_000;
const ASKS: u32 = 50_000;

#[derive(Default)]
struct Plain(u32);

impl Actor for Plain {
    type Context = actix::Context<Self>;
}

#[derive(Default)]
struct Supervised(u32);

impl Actor for Supervised {
    type Context = Context<Self>;
}

impl Child for Supervised {
    const KIND: &'static str = "supervised";
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Add;

impl Handler<Add> for Plain {
    type Result = u32;

    fn handle(&mut self, _: Add, _: &mut Self::Context) -> u32 {
        self.0 += 1;
        self.0
    }
}

impl Handler<Add> for Supervised {
    type Result = u32;

    fn handle(&mut self, _: Add, _: &mut Self::Context) -> u32 {
        self.0 += 1;
        self.0
    }
}

/// Nanoseconds for each of `count`.
fn each(begun: Instant, count: u32) -> f64 {
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

async fn plain_tells(addr: &Addr<Plain>) -> f64 {
    let begun = Instant::now();
    for _ in 0..TELLS {
        addr.do_send(Add);
    }
    addr.send(Add).await.expect("it lives");
    each(begun, TELLS)
}

async fn supervised_tells(addr: &Addr<Supervised>) -> f64 {
    let begun = Instant::now();
    for _ in 0..TELLS {
        tell(addr, Add);
    }
    ask(addr, Add, Duration::from_secs(60)).await.expect("it lives");
    each(begun, TELLS)
}

async fn plain_asks(addr: &Addr<Plain>) -> f64 {
    let begun = Instant::now();
    for _ in 0..ASKS {
        addr.send(Add).await.expect("it lives");
    }
    each(begun, ASKS)
}

async fn supervised_sends(addr: &Addr<Supervised>) -> f64 {
    let begun = Instant::now();
    for _ in 0..ASKS {
        addr.send(Add).await.expect("it lives");
    }
    each(begun, ASKS)
}

async fn supervised_asks(addr: &Addr<Supervised>) -> f64 {
    let begun = Instant::now();
    for _ in 0..ASKS {
        ask(addr, Add, Duration::from_secs(60)).await.expect("it lives");
    }
    each(begun, ASKS)
}

fn print(what: &str, mut measured: Vec<f64>) {
    measured.sort_by(f64::total_cmp);
    let (least, median) = (measured[0], measured[measured.len() / 2]);
    println!("{what:<42} {median:7.0} ns (least {least:.0})");
}

fn main() {
    actix::System::new().block_on(async {
        let tree = Tree::new();
        let plain = Plain::default().start();
        let supervised = tree.spawn(ChildSpec::permanent("supervised"), Supervised::default);
        let supervised = supervised.addr();
        let mut results: [Vec<f64>; 5] = Default::default();
        for _ in 0..ROUNDS {
            // In turn, so that what else the machine does meets all of them.
            results[0].push(plain_tells(&plain).await);
            results[1].push(supervised_tells(supervised).await);
            results[2].push(plain_asks(&plain).await);
            results[3].push(supervised_sends(supervised).await);
            results[4].push(supervised_asks(supervised).await);
        }
        let names = [
            "plain actix, do_send",
            "kernel, tell",
            "plain actix, send and wait",
            "kernel, send and wait (without a deadline)",
            "kernel, ask (with a deadline)",
        ];
        for (name, measured) in names.into_iter().zip(results) {
            print(name, measured);
        }
        tree.shutdown("measured").await;
    });
}
