//! What packages ask of Docker in `runnerDockerArguments`: granted, ignored with a warning, or refused.

use serde_json::{Value, json};

use crate::support::{Options, Package, Server, containers_of, inspect, shared};

/// Tells how things are where it runs.
const MODULE: &str = r#"
    import fs from 'node:fs';
    import os from 'node:os';
    const outcome = (attempt) => { try { return attempt(); } catch (error) { return error.code; } };
    export const handler = (request, response) => response.json({
        hosts: fs.readFileSync('/etc/hosts', 'utf8'),
        resolver: fs.readFileSync('/etc/resolv.conf', 'utf8'),
        limits: fs.readFileSync('/proc/self/limits', 'utf8'),
        status: fs.readFileSync('/proc/self/status', 'utf8'),
        hostname: os.hostname(),
        backlog: fs.readFileSync('/proc/sys/net/core/somaxconn', 'utf8').trim(),
        groups: process.getgroups(),
        shared: outcome(() => { const { blocks, bsize } = fs.statfsSync('/dev/shm'); return blocks * bsize; }),
        cache: outcome(() => { fs.writeFileSync('/cache/file', 'x'); return 'written'; }),
        device: outcome(() => {
            const bytes = Buffer.alloc(4, 1);
            fs.readSync(fs.openSync('/dev/nought', 'r'), bytes);
            return bytes.toString('hex');
        }),
    });"#;

async fn ask(server: &Server, job: &str) -> Value {
    let answer = server.get(&format!("/{job}")).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

async fn host_config(server: &Server, job: &str) -> Value {
    let runner = server.ready_runners(job).await.remove(0);
    let id = containers_of("jobber.runner", &runner).await.remove(0);
    let shown: Value = serde_json::from_str(&inspect(&id).await).unwrap();
    shown[0]["HostConfig"].clone()
}

fn package(name: &str, arguments: &[&str]) -> Package {
    Package::new(name, MODULE).action(json!({
        "runnerDockerArguments": { "directPassthroughArguments": arguments },
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_the_operator_allows_are_there_from_outside_and_from_inside() {
    let allowed = "directPassthroughArguments".to_owned();
    let server = Server::start(Options {
        environment: vec![
            ("RUNNER_ALLOW_DOCKER_ARGUMENT_TYPES", allowed),
            ("RUNNER_PIDS", "48".to_owned()),
            ("RUNNER_MEMORY", "128m".to_owned()),
        ],
        ..Options::default()
    })
    .await;
    let arguments = [
        "--add-host=erp:10.0.0.7",
        "--cap-add",
        "SYS_NICE",
        "--cpus=0.5",
        "--cpu-shares=512",
        "--device=/dev/zero:/dev/nought:r",
        "--dns-search=example.org",
        "--group-add",
        "20",
        "--hostname=orders",
        "--init",
        "--pids-limit=4096",
        "--shm-size",
        "4m",
        "--sysctl=net.core.somaxconn=77",
        "--tmpfs=/cache:size=1m",
        "--ulimit",
        "nofile=256:512",
    ];
    let published = server.publish(&package("asks-much", &arguments)).await.expect();
    assert_eq!(published["data"]["warnings"], json!([]));

    let inside = ask(&server, "asks-much").await;
    let text = |name: &str| {
        inside[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {inside:#}"))
    };
    assert!(text("hosts").contains("10.0.0.7\terp"), "{}", text("hosts"));
    assert!(
        text("resolver").contains("search example.org"),
        "{}",
        text("resolver")
    );
    let files = text("limits")
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    // Node raises the soft limit to the hard one when it starts.
    assert!(files.contains("512"), "{files}");
    assert_eq!(text("hostname"), "orders");
    assert_eq!(text("backlog"), "77");
    assert!(
        inside["groups"].as_array().unwrap().contains(&json!(20)),
        "{inside:#}"
    );
    assert_eq!(inside["shared"], 4 << 20);
    assert_eq!(text("cache"), "written");
    assert_eq!(text("device"), "00000000");
    // CAP_SYS_NICE is number 23: what it may have at most, and none of it in force, as it is no root user.
    assert!(
        text("status").contains("CapBnd:\t0000000000800000"),
        "{}",
        text("status")
    );
    assert!(
        text("status").contains("CapEff:\t0000000000000000"),
        "{}",
        text("status")
    );

    let shown = host_config(&server, "asks-much").await;
    for (field, value) in [
        ("ExtraHosts", json!(["erp:10.0.0.7"])),
        ("NanoCpus", json!(500_000_000)),
        ("CpuShares", json!(512)),
        ("PidsLimit", json!(48)),
        ("ShmSize", json!(4 << 20)),
        (
            "Devices",
            json!([{ "PathOnHost": "/dev/zero", "PathInContainer": "/dev/nought", "CgroupPermissions": "r" }]),
        ),
        ("CapDrop", json!(["ALL"])),
        ("SecurityOpt", json!(["no-new-privileges"])),
        ("ReadonlyRootfs", json!(true)),
        ("Privileged", json!(false)),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_the_operator_does_not_allow_are_ignored_with_a_warning() {
    let server = shared().await;
    let published = server
        .publish(&package(
            "asks-in-vain",
            &["--hostname=orders", "--cap-add=SYS_NICE"],
        ))
        .await
        .expect();
    let warning = &published["data"]["warnings"][0];
    assert_eq!(warning["code"], "not-allowed", "{published:#}");
    assert_eq!(
        warning["pointer"],
        "/action/runnerDockerArguments/directPassthroughArguments"
    );
    let inside = ask(server, "asks-in-vain").await;
    assert_ne!(inside["hostname"], "orders");
    let status = inside["status"].as_str().unwrap();
    assert!(status.contains("CapBnd:\t0000000000000000"), "{status}");
    assert_eq!(
        inside["shared"], "ENOENT",
        "no shared memory that nobody asked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_open_the_container_are_refused_with_their_places() {
    let server = shared().await;
    let refused = server
        .publish(&package(
            "asks-too-much",
            &["--privileged", "--network", "host", "--ulimit=nofile=2:1"],
        ))
        .await;
    assert_eq!(refused.status, 422, "{:#}", refused.body);
    let told = refused.body.to_string();
    for (place, word) in [
        ("directPassthroughArguments/0", "--cap-add"),
        ("directPassthroughArguments/1", "runnerDockerArguments.networks"),
        (
            "directPassthroughArguments/3",
            "the soft limit is more than the hard one",
        ),
    ] {
        assert!(told.contains(place) && told.contains(word), "{word}: {told}");
    }
}
