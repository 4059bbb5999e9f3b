//! `jobber dev` for the author of functions: folders, changes, stops and crashes. With the process engine, which is what it
//! does by default.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Options, Server, eventually};

const BOUND: Duration = Duration::from_secs(30);
/// The state of a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// A folder with a package that answers with a text.
fn folder(name: &str, answer: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifest = json!({
        "name": name, "version": "1.0.0", "type": "module", "main": "./index.js",
        "triggers": [{ "type": "http", "path": format!("/{name}") }],
    });
    std::fs::write(
        folder.path().join("package.json"),
        serde_json::to_vec(&manifest).unwrap(),
    )
    .unwrap();
    answers(folder.path(), answer);
    folder
}

/// Changes the package's module.
fn answers(folder: &Path, answer: &str) {
    let module = format!("export const handler = (request, response) => response.text({answer:?});");
    std::fs::write(folder.join("index.js"), module).unwrap();
}

fn serving(folders: &[&TempDir]) -> Options {
    let folders = folders.iter().map(|folder| folder.path().to_owned()).collect();
    Options {
        engine: "process",
        folders,
        ..Options::default()
    }
}

async fn answer(server: &Server, path: &str) -> String {
    server.get(path).await.text().await.unwrap()
}

async fn until_it_answers(server: &Server, path: &str, expected: &str) {
    eventually(&format!("{path} answers {expected}"), BOUND, || async {
        (answer(server, path).await == expected).then_some(())
    })
    .await;
}

async fn version(server: &Server, job: &str) -> String {
    server.api(&format!("/api/job/{job}")).await["data"]["version"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The processes whose command line names a path.
fn processes_of(path: &Path) -> HashSet<u32> {
    let path = path.to_str().unwrap();
    let names_it = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(path) && *pid != std::process::id())
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(names_it)
        .collect()
}

/// Standard error is a file here: what is kept has no token in it.
#[tokio::test(flavor = "multi_thread")]
async fn how_to_sign_in_is_said_without_the_token_where_it_is_kept() {
    let server = Server::start(serving(&[])).await;
    let told = std::fs::read_to_string(server.data().join("dev.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    eventually("it is said", BOUND, || async {
        let url = told["url"].as_str().unwrap();
        let said = format!("sign in to the panel: {url}/sign-in with the token in");
        server.log().contains(&said).then_some(())
    })
    .await;
    assert!(!server.log().contains(told["token"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_served_under_a_version_of_its_own() {
    let package = folder("changes", "one");
    let mut server = Server::start(serving(&[&package])).await;
    assert_eq!(answer(&server, "/changes").await, "one");
    assert_eq!(version(&server, "changes").await, "1.0.0");

    answers(package.path(), "two");
    until_it_answers(&server, "/changes", "two").await;
    assert_eq!(version(&server, "changes").await, "1.0.0-dev.1");

    // What can not be imported leaves the last good version serving.
    std::fs::write(package.path().join("index.js"), "export const handler = (").unwrap();
    eventually("the broken version was tried", BOUND, || async {
        let versions = server.api("/api/job/changes/versions").await;
        (versions["data"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;
    assert_eq!(answer(&server, "/changes").await, "two");

    answers(package.path(), "three");
    until_it_answers(&server, "/changes", "three").await;
    assert_eq!(version(&server, "changes").await, "1.0.0-dev.3");
    server.stop();

    // The next start finds nothing changed.
    let mut again = server.start_again(serving(&[&package])).await;
    assert_eq!(answer(&again, "/changes").await, "three");
    assert_eq!(version(&again, "changes").await, "1.0.0-dev.3");
    again.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn several_folders_are_served_side_by_side() {
    let (first, second) = (folder("first", "1"), folder("second", "2"));
    let mut server = Server::start(serving(&[&first, &second])).await;
    assert_eq!(answer(&server, "/first").await, "1");
    assert_eq!(answer(&server, "/second").await, "2");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_leaves_no_process_and_no_false_word() {
    let package = folder("stops", "here");
    let mut server = Server::start(serving(&[&package])).await;
    let data = server.data().to_owned();
    assert!(
        processes_of(&data).len() >= 3,
        "the server, its Postgres and a runner"
    );

    server.stop();

    assert_eq!(processes_of(&data), HashSet::new());
    assert!(!data.join("dev.json").exists());
    let of_servers = std::fs::read_dir(data.join("runners")).unwrap();
    let runners = of_servers.flat_map(|server| std::fs::read_dir(server.unwrap().path()).unwrap());
    assert_eq!(runners.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_next_start_goes_on_with_what_is_there() {
    let package = folder("killed", "before");
    let mut server = Server::start(serving(&[&package])).await;
    let data = server.data().to_owned();
    let before = processes_of(&data);
    server.kill();

    // Without the folder: the function comes from the database alone.
    let mut successor = server.start_again(serving(&[])).await;
    until_it_answers(&successor, "/killed", "before").await;
    eventually("nothing of the killed server is left", BOUND, || async {
        before.is_disjoint(&processes_of(&data)).then_some(())
    })
    .await;
    successor.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens_beyond_this_machine() {
    let mut server = Server::start(serving(&[])).await;
    for address in listening(server.pid()) {
        assert!(address.is_loopback(), "{address}");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_docker_only_the_manager_listens_on_the_runners_bridge() {
    let mut server = Server::start(Options::default()).await;
    let addresses = listening(server.pid());
    let elsewhere: Vec<_> = addresses
        .iter()
        .filter(|address| !address.is_loopback())
        .collect();
    assert_eq!(elsewhere.len(), 1, "{addresses:?}");
    assert!(elsewhere[0].is_private(), "{addresses:?}");
    server.stop();
}

/// The addresses on which a process listens.
fn listening(pid: u32) -> Vec<Ipv4Addr> {
    let sockets: HashSet<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| {
            std::fs::read_link(entry.ok()?.path())
                .ok()?
                .to_str()
                .map(str::to_owned)
        })
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let rows = table
        .lines()
        .skip(1)
        .map(|row| row.split_ascii_whitespace().collect::<Vec<_>>());
    let own = rows.filter(|row| row[3] == LISTENING && sockets.contains(row[9]));
    let address = |row: Vec<&str>| {
        let hexadecimal = row[1].split(':').next().unwrap().to_owned();
        // In the machine's own byte order.
        Ipv4Addr::from(u32::from_str_radix(&hexadecimal, 16).unwrap().to_ne_bytes())
    };
    let six = std::fs::read_to_string(format!("/proc/{pid}/net/tcp6")).unwrap_or_default();
    let on_six = six.lines().skip(1).filter(|row| {
        let row: Vec<_> = row.split_ascii_whitespace().collect();
        row[3] == LISTENING && sockets.contains(row[9])
    });
    assert_eq!(on_six.count(), 0, "nothing listens on IPv6");
    own.map(address).collect()
}
