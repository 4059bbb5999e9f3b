//! A secret is in its runner's memory, and nowhere where somebody else can look.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio_postgres::NoTls;

use crate::support::{Options, Package, Server, containers_of, eventually, inspect, started_with};

/// Shows that it knows its secret without showing the secret, and then blunders in every way there is.
const MODULE: &str = "
    export const handler = (request, response, context) => {
        const { KEY, TEXT } = process.env;
        if (!KEY || !TEXT) return response.status(503).text('not yet');
        console.log('the text is', TEXT);
        console.error('the secret is', KEY);
        context.log('info', 'fields', { KEY, TEXT, deep: [{ KEY }] });
        if (request.path().endsWith('throw')) throw new Error('thrown with ' + KEY);
        response.text([...KEY].reverse().join(''));
    };";
const JOB: &str = "keeps-secrets";
const BOUND: Duration = Duration::from_secs(60);

fn marker(kind: &str) -> String {
    format!("{kind}-{:032x}", rand::random::<u128>())
}

/// What is looked for, and must not be there.
struct Secret(String);

impl Secret {
    fn reversed(&self) -> String {
        self.0.chars().rev().collect()
    }

    /// Fails if the secret is there, and also if what surely is there is not found: then nothing was looked through.
    #[track_caller]
    fn is_not_in(&self, place: &str, content: &str, surely: &str) {
        assert!(content.contains(surely), "{place} lacks {surely}:\n{content}");
        let forms = [self.0.clone(), hex::encode(&self.0)];
        assert!(
            !forms.iter().any(|form| content.contains(form.as_str())),
            "{place} has the secret"
        );
    }
}

/// The command lines of all processes of this machine.
fn command_lines() -> String {
    let mut lines = String::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path().join("cmdline");
        // What is no process has none, and a process may have ended meanwhile.
        if let Ok(line) = std::fs::read(path) {
            lines.push_str(&String::from_utf8_lossy(&line).replace('\0', " "));
            lines.push('\n');
        }
    }
    lines
}

/// Everything that is in the database, as text.
async fn dump(url: &str) -> String {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let read = async move {
        let tables = "select table_name::text from information_schema.tables where table_schema = 'public'";
        let mut dump = String::new();
        for table in client.query(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            let rows = format!("select coalesce(string_agg(t::text, E'\\n'), '') from \"{table}\" t");
            dump.push_str(client.query_one(&rows, &[]).await.unwrap().get(0));
        }
        dump
    };
    // The connection ends with its client.
    let (dump, ended) = tokio::join!(read, connection);
    ended.unwrap();
    dump
}

/// The runner that has the variables: setting them replaces the one from before.
async fn use_the_secret(server: &Server, secret: &Secret) -> String {
    eventually("the function has its secret", BOUND, || async {
        let answer = server.get(&format!("/{JOB}")).await;
        let status = answer.status();
        let said = answer.text().await.unwrap();
        // 503: this runner was started before the variables were set.
        assert!(status == 200 || status == 503, "{status}: {said}");
        (said == secret.reversed()).then_some(())
    })
    .await;
    eventually("one container", BOUND, || async {
        match server.ready_runners(JOB).await.as_slice() {
            [runner] => {
                let containers = containers_of("jobber.runner", runner).await;
                (containers.len() == 1).then(|| containers[0].clone())
            }
            _ => None,
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_its_function_uses_and_logs_is_found_nowhere() {
    let (secret, text, outside) = (Secret(marker("secret")), marker("text"), marker("outside"));
    let mut server = Server::start(Options {
        environment: vec![("E2E_MARKER", outside.clone())],
        ..Options::default()
    })
    .await;
    let package = Package::new(JOB, MODULE).trigger(serde_json::json!({
        "type": "http", "path": format!("/{JOB}/throw"), "name": "throws",
    }));
    server.publish(&package).await.expect();
    server.set_variable(JOB, "TEXT", &text).await;
    server.set_secret(JOB, "KEY", &secret.0).await;
    let container = use_the_secret(&server, &secret).await;
    let thrown = server.get(&format!("/{JOB}/throw")).await;
    assert_eq!(thrown.status(), 500);
    server.log_line(JOB, "the secret is ********").await;
    server.log_line(JOB, "thrown with ********").await;

    in_the_machine(&server, &secret, &container, &outside).await;
    in_the_api(&server, &secret, &text).await;
    let about = server.about();
    let database = about["database"].as_str().unwrap();
    secret.is_not_in(
        "the database",
        &dump(database).await,
        &format!("the text is {text}"),
    );
    let log = eventually("the server's log has the function's lines", BOUND, || async {
        let log = server.log();
        (log.contains(&text) && log.contains("thrown with")).then_some(log)
    })
    .await;
    secret.is_not_in("the server's log", &log, "the secret is ********");

    server.stop();
    secret.is_not_in("the server's log after its end", &server.log(), &text);
}

/// Containers, images, and what processes were started with.
async fn in_the_machine(server: &Server, secret: &Secret, container: &str, outside: &str) {
    let inspected = inspect(container).await;
    secret.is_not_in("docker inspect of the container", &inspected, container);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    let image = inspected[0]["Image"].as_str().unwrap();
    secret.is_not_in("docker inspect of the image", &inspect(image).await, image);
    secret.is_not_in("the runner's processes", &started_with(container).await, "PATH=");

    let data = server.data().display().to_string();
    secret.is_not_in("the list of processes", &command_lines(), &data);
    let environment = Path::new("/proc").join(server.pid().to_string()).join("environ");
    let environment = std::fs::read(environment).unwrap();
    secret.is_not_in(
        "the server's environment",
        &String::from_utf8_lossy(&environment),
        outside,
    );
}

/// Whatever the API says about the job and the server.
async fn in_the_api(server: &Server, secret: &Secret, text: &str) {
    let of_job = |rest: &str| format!("/api/job/{JOB}/{rest}");
    let versions = server.api(&of_job("versions")).await;
    let version = versions["data"][0]["id"].as_str().unwrap();
    for (path, surely) in [
        (of_job("environment"), text),
        (of_job("logs?limit=1000"), text),
        ("/api/job/logs?limit=1000".to_owned(), text),
        (of_job("runners"), "ready"),
        ("/api/job/runners".to_owned(), "ready"),
        (of_job("versions"), "1.0.0"),
        (of_job(&format!("versions/{version}")), "1.0.0"),
        (of_job("actions"), "runnerMinCount"),
        (of_job("actions:current"), "runnerMinCount"),
        (of_job("triggers"), "throws"),
        (of_job("triggers:current"), "throws"),
        (of_job("triggers/throws/status"), "healthy"),
        ("/api/job".to_owned(), JOB),
        ("/api/audit".to_owned(), "environment/KEY"),
        ("/api/config".to_owned(), "JOBBER_MASTER_KEY"),
        ("/api/debug/tree".to_owned(), JOB),
        ("/api/metrics/overview".to_owned(), "success"),
    ] {
        let said = server.api(&path).await.to_string();
        secret.is_not_in(&path, &said, surely);
    }
}
