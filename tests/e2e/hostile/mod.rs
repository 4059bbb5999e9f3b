//! What a function can do that means harm: nothing beyond its own container. Everything is tried from inside.
//!
//! Packets go to the server, to Docker's own bridge and no further; what lies beyond is read from the routing table.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{Options, Package, Server, containers_of, eventually, inspect};

const FUNCTION: &str = include_str!("function.mjs");
const BOUND: Duration = Duration::from_secs(60);
/// Most processes and threads in a runner.
const PIDS: u64 = 64;
/// What `/tmp` holds.
const TMP: u64 = 8 << 20;

/// A server that the stories share. The functions can not do anything to it, which is what the stories are about.
async fn server() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    let set = |name, value: &str| (name, value.to_owned());
    let options = Options {
        environment: vec![
            set("RUNNER_PIDS", "64"),
            set("RUNNER_TMP", "8m"),
            set("RUNNER_MEMORY", "128m"),
            set("RUNNER_CPUS", "1"),
        ],
        ..Options::default()
    };
    SERVER.get_or_init(|| Server::start(options)).await
}

/// Publishes the function under a name of the story's own.
async fn publish(name: &str) -> &'static Server {
    let server = server().await;
    server.publish(&Package::new(name, FUNCTION)).await.expect();
    server
}

/// Has a function try something.
async fn attempt(server: &Server, name: &str, query: &str) -> Value {
    let answer = server.get(&format!("/{name}?try={query}")).await;
    let status = answer.status();
    let said = answer.text().await.unwrap();
    assert_eq!(status, 200, "{query}: {said}");
    serde_json::from_str(&said).unwrap()
}

/// The job's one runner's container, as Docker shows it.
async fn container(server: &Server, name: &str) -> (String, Value) {
    let runner = eventually("a runner is ready", BOUND, || async {
        server.ready_runners(name).await.pop()
    })
    .await;
    let id = containers_of("jobber.runner", &runner).await.remove(0);
    let shown: Value = serde_json::from_str(&inspect(&id).await).unwrap();
    (id, shown[0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_no_rights_and_gains_none() {
    let server = publish("wants-rights").await;
    let told = attempt(server, "wants-rights", "rights").await;
    let status = &told["status"];
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["Seccomp"], "2", "Docker's filter of system calls is on");
    assert_eq!(status["Uid"], "10001\t10001\t10001\t10001");
    assert_eq!(told["possible"], 0, "programs can be run at all");
    for (what, ended) in told["refused"].as_object().unwrap() {
        assert_eq!(ended["missing"], false, "{what}: could not be tried");
        assert!(
            ended["code"].as_i64().is_some_and(|code| code != 0),
            "{what}: {ended}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_writes_nowhere_but_in_tmp_and_its_own_folder() {
    let server = publish("wants-files").await;
    let told = attempt(server, "wants-files", "files").await;
    assert!(told["tried"].as_u64().unwrap() > 5000, "{}", told["tried"]);
    let places = |name: &str| {
        let all = told[name].as_array().unwrap().iter();
        let outside = all.filter(|place| {
            let place = place.as_str().unwrap();
            // By the last a process asks to be woken when something is short; nothing that is written is kept.
            !["/tmp", "/app", "/proc/pressure"]
                .iter()
                .any(|own| place == *own || place.starts_with(&format!("{own}/")))
        });
        outside.cloned().collect::<Vec<_>>()
    };
    assert_eq!(places("made"), [json!(null); 0], "folders that it can write to");
    assert_eq!(places("opened"), [json!(null); 0], "files that it can write to");
    assert_eq!(told["sockets"], json!([]), "sockets of others, such as Docker's");
    assert_eq!(told["program"], "EACCES", "what is in /tmp is not run");
    assert_eq!(told["tmp"]["full"], "ENOSPC");
    assert!(told["tmp"]["bytes"].as_u64().unwrap() <= TMP, "{}", told["tmp"]);
    assert_eq!(told["score"], "EACCES", "it is not spared when memory is short");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_no_secret_and_nothing_of_the_host_or_of_its_neighbours() {
    let server = server().await;
    let neighbour = Package::new(
        "neighbour",
        "export const handler = (request, response) => response.text('ok');",
    );
    server.publish(&neighbour).await.expect();
    publish("wants-secrets").await;
    let told = attempt(server, "wants-secrets", "visible").await;
    let processes = told["processes"].as_array().unwrap();
    for process in processes {
        let command = process["command"].as_str().unwrap();
        assert!(
            command.contains("/opt/jobber/runtime/main.mjs"),
            "a process of somebody else: {command}"
        );
        let environment = process["environment"].as_str().unwrap();
        for secret in ["TOKEN", "PASSWORD", "DATABASE", "DOCKER", "MANAGER", "postgres"] {
            assert!(!environment.contains(secret), "{environment}");
        }
        let words = format!("{command} {environment}");
        assert!(!words.split([' ', '=', '"']).any(is_token), "{words}");
    }
    // The init and the runtime itself.
    assert_eq!(processes.len(), 2, "{processes:#?}");
    assert!(
        told["input"] == 0 || told["input"].is_string(),
        "{}",
        told["input"]
    );
    let groups = told["groups"].as_str().unwrap();
    assert!(
        groups.lines().all(|line| line.ends_with(":/")),
        "the host's groups: {groups}"
    );
    for masked in told["masked"].as_array().unwrap() {
        let masked = masked.as_str().unwrap();
        assert!(masked.is_empty() || masked.starts_with('E'), "{masked}");
    }
    assert_eq!(told["package"], json!(["index.js", "package.json"]));
    assert_eq!(told["names"], json!([]));

    // From outside, where others on this machine look: not even a token that was used.
    let tokens = attempt(server, "wants-secrets", "tokens").await;
    let (id, shown) = container(server, "wants-secrets").await;
    let shown = shown.to_string();
    assert!(shown.contains(&id));
    for token in tokens.as_array().unwrap() {
        assert!(!shown.contains(token.as_str().unwrap()), "{token}");
    }
}

fn is_token(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_ends_at_its_limit_and_the_others_go_on() {
    let server = publish("forks").await;
    let calm = Package::new(
        "calm",
        "export const handler = (request, response) => response.text('calm');",
    );
    server.publish(&calm).await.expect();

    let told = attempt(server, "forks", "spawned").await;
    assert_eq!(told["code"], "EAGAIN", "{told}");
    assert!(told["count"].as_u64().unwrap() < PIDS, "{told}");

    assert_eq!(server.get("/calm").await.text().await.unwrap(), "calm");
    server.publish(&calm.clone().version("1.0.1")).await.expect();
    assert_eq!(server.get("/calm").await.text().await.unwrap(), "calm");
    // Even the one that did it is still served: its children are its own trouble.
    let released = attempt(server, "forks", "release").await;
    assert_eq!(released["count"], told["count"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_beyond_the_limit_ends_the_runner_and_says_so() {
    let server = publish("wants-memory").await;
    let (before, shown) = container(server, "wants-memory").await;
    assert_eq!(shown["HostConfig"]["Memory"], 128 << 20);
    assert_eq!(shown["HostConfig"]["MemorySwap"], 128 << 20, "no swap besides");

    let answer = server.get("/wants-memory?try=eat").await;
    assert_eq!(answer.status(), 502);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "runner-lost");
    assert!(
        problem["detail"].as_str().unwrap().contains("no memory left"),
        "{problem:#}"
    );
    server.log_line("wants-memory", "memory").await;

    attempt(server, "wants-memory", "rights").await;
    assert_ne!(
        container(server, "wants-memory").await.0,
        before,
        "the next one is new"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_no_way_but_to_the_manager_and_the_outside() {
    let server = publish("wants-out").await;
    publish("listens").await;
    let told = attempt(server, "wants-out", "routes").await;

    // One network, this server's own, and the loopback.
    let (_, shown) = container(server, "wants-out").await;
    let networks = shown["NetworkSettings"]["Networks"].as_object().unwrap();
    let (network, settings) = networks.iter().next().unwrap();
    assert_eq!(networks.len(), 1, "{networks:?}");
    assert!(network.starts_with("jobber-dev-"), "{network}");
    assert_eq!(
        told["interfaces"].as_array().unwrap().len(),
        2,
        "{}",
        told["interfaces"]
    );
    let routes: Vec<_> = told["routes"].as_str().unwrap().lines().skip(1).collect();
    assert_eq!(
        routes.len(),
        2,
        "to its network, and to everywhere by the bridge: {routes:?}"
    );
    // A runner listens nowhere; what is open here this function opened.
    assert_eq!(told["listening"], json!([7000]));

    let bridge = settings["Gateway"].as_str().unwrap().to_owned();
    assert_eq!(told["manager"]["host"], bridge);
    let reach = async |host: &str, port: u64| {
        let query = format!("reach&host={host}&port={port}");
        attempt(server, "wants-out", &query)
            .await
            .as_str()
            .unwrap()
            .to_owned()
    };
    // The way to the manager is open; so it is no fault of the attempt that the others are not.
    let manager = told["manager"]["port"].as_u64().unwrap();
    assert_eq!(reach(&bridge, manager).await, "connected");
    let about = server.about();
    let port = |name: &str| {
        let url: reqwest::Url = about[name].as_str().unwrap().parse().unwrap();
        u64::from(url.port().unwrap())
    };
    for (what, port) in [
        ("Postgres", port("database")),
        ("the admin port", port("url")),
        ("the gateway", port("gateway")),
        ("Docker", 2375),
        ("Docker by TLS", 2376),
    ] {
        assert_eq!(reach(&bridge, port).await, "ECONNREFUSED", "{what}");
    }

    // Nor to what another function has open, on the same bridge.
    let other = attempt(server, "listens", "routes").await["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let own = attempt(server, "listens", &format!("reach&host={other}&port=7000")).await;
    assert_eq!(own, "connected", "it does listen");
    assert_eq!(reach(&other, 7000).await, "no way");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_speaks_for_no_other_runner() {
    let server = publish("wants-to-be-another").await;
    publish("accomplice").await;
    // Its own token, if it still finds it, and one that another runner gave it; both have been used.
    let mut tokens = vec!["0".repeat(64), format!("{:064x}", 7), String::new()];
    for job in ["wants-to-be-another", "accomplice"] {
        let found = attempt(server, job, "tokens").await;
        tokens.extend(
            found
                .as_array()
                .unwrap()
                .iter()
                .map(|token| token.as_str().unwrap().to_owned()),
        );
    }

    let answers = attempt(
        server,
        "wants-to-be-another",
        &format!("speak&tokens={}", tokens.join(",")),
    )
    .await;

    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), tokens.len());
    for answer in answers {
        assert!(answer == "closed" || answer == "ECONNRESET", "{answer}");
    }
    let refusals = server
        .log()
        .matches("the token is unknown or was used before")
        .count();
    assert!(
        refusals >= tokens.len(),
        "{refusals} of {} were refused for their token",
        tokens.len()
    );
    // Nobody lost a session over it.
    for job in ["wants-to-be-another", "accomplice"] {
        attempt(server, job, "rights").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_calls_are_its_own_whatever_they_claim() {
    let server = server().await;
    let module = "
        export async function handler(request, response, context) {
            if (request.query('set')) {
                await context.setStoreJson('treasure', 'theirs');
                await context.setStoreJson('other', 'theirs');
            }
            response.json([(await context.getStoreJson('treasure')).value, (await context.getStoreJson('other')).value]);
        }";
    server
        .publish(&Package::new("has-a-treasure", module))
        .await
        .expect();
    assert_eq!(server.get("/has-a-treasure?set=1").await.status(), 200);
    publish("wants-a-treasure").await;
    let theirs = server.api("/api/job/has-a-treasure").await["data"]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let told = attempt(
        server,
        "wants-a-treasure",
        &format!("store&job={theirs}&name=has-a-treasure"),
    )
    .await;

    // Ignored or refused, the claim gains nothing.
    assert_ne!(told["read"], "theirs", "{told}");
    assert!(!told["keys"].to_string().contains("other"), "{told}");
    let kept: Value = server.get("/has-a-treasure").await.json().await.unwrap();
    assert_eq!(kept, json!(["theirs", "theirs"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_on_its_session_costs_it_its_runner_and_nobody_else() {
    let server = publish("talks-rubbish").await;
    publish("talks-sense").await;
    let (before, _) = container(server, "talks-sense").await;

    let answer = server.get("/talks-rubbish?try=rubbish").await;
    assert_eq!(answer.status(), 502);

    attempt(server, "talks-sense", "rights").await;
    assert_eq!(container(server, "talks-sense").await.0, before);
    attempt(server, "talks-rubbish", "rights").await;
}

#[test]
fn the_document_names_tests_that_there_are() {
    let document = include_str!("../../../docs/security.md");
    let sources = [
        ("hostile", include_str!("mod.rs")),
        ("docker_engine", include_str!("../docker_engine/mod.rs")),
        ("compose", include_str!("../compose/mod.rs")),
    ];
    let named: Vec<_> = document
        .split('`')
        .filter_map(|code| code.split_once("::"))
        .filter(|(module, _)| sources.iter().any(|(name, _)| name == module))
        .collect();
    assert!(named.len() > 10, "{named:?}");
    for (module, test) in named {
        let there = sources
            .iter()
            .any(|(name, source)| *name == module && source.contains(&format!("fn {test}(")));
        assert!(
            there,
            "docs/security.md names {module}::{test}, which is not there"
        );
    }
}
