//! A system that is lost but for a backup.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Machine, Package, Said, Serving, eventually, jobber_within};

const BOUND: Duration = Duration::from_secs(60);
const PASSPHRASE: &str = "correct horse battery staple\n";
/// More than a process may have open at once in the story about that.
const MANY: usize = 150;

impl Machine {
    async fn restore(&self, file: &Path, more: &[&str]) -> Said {
        self.restore_within(&[], file, more).await
    }

    async fn restore_within(&self, wrapper: &[&str], file: &Path, more: &[&str]) -> Said {
        let mut command = jobber_within(wrapper, &["restore"]);
        command
            .arg(file)
            .args(more)
            .env("DATABASE_URL", self.database())
            .env("JOBBER_DATA", self.data());
        let output = tokio::time::timeout(BOUND, command.output())
            .await
            .expect("it ends")
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said {
            status: output.status.code().unwrap(),
            out: text(output.stdout),
            error: text(output.stderr),
        }
    }
}

impl Serving {
    /// What the function answers.
    async fn call(&self) -> Value {
        let answer = eventually("the function answers", BOUND, || async {
            let said = self.tool.run(&["invoke", "story", "--json"]).await;
            (said.status == 0).then(|| said.json())
        })
        .await;
        serde_json::from_str(answer["body"]["text"].as_str().unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_lost_but_a_backup_and_the_function_is_called_again() {
    let lost = Machine::new().await;
    let mut running = lost.serve().await;
    let tool = &running.tool;
    tool.run(&["init", "story"]).await.expect();
    tool.edit("story/index.js", "hello: name", "hello: process.env.WHO");
    tool.run(&["publish", "story"]).await.expect();
    tool.run(&["env", "set", "story", "WHO=somebody"]).await.expect();
    let visits = eventually("the variable has reached the function", BOUND, || async {
        let answer = running.call().await;
        (answer["hello"] == "somebody").then(|| answer["visits"].as_i64().unwrap())
    })
    .await;

    std::fs::write(tool.home().join("passphrase"), PASSPHRASE).unwrap();
    let file = tool.home().join("kept.tar.age");
    let made = tool
        .run(&[
            "backup",
            "--output",
            "kept.tar.age",
            "--passphrase-file",
            "passphrase",
            "--json",
        ])
        .await
        .json();
    assert_eq!(made["encrypted"], true);
    assert_eq!(made["bytes"].as_u64().unwrap(), file.metadata().unwrap().len());
    let listed = tool.run(&["backup", "list", "--json"]).await.json();
    assert_eq!(listed[0]["name"], made["name"]);
    let told = tool
        .run(&[
            "backup",
            "verify",
            "kept.tar.age",
            "--passphrase-file",
            "passphrase",
        ])
        .await
        .expect();
    assert!(told.contains("1 package, with the key file"), "{told}");
    tool.run(&["backup", "verify", "kept.tar.age"])
        .await
        .refused(6, &["no passphrase was given", "--passphrase-file"]);
    tool.run(&["backup", "verify", "passphrase"])
        .await
        .refused(6, &["no backup of Jobber"]);
    let passphrase = tool.home().join("passphrase");
    let passphrase = ["--passphrase-file", passphrase.to_str().unwrap()];
    lost.restore(&file, &passphrase)
        .await
        .refused(6, &["a server is connected", "stop every server"]);
    tool.run(&["restore", "no-such-file.tar"])
        .await
        .refused(1, &["no-such-file.tar: it can not be read: No such file"]);

    running.process.kill().await.unwrap();
    lost.end().await;

    let new = Machine::new().await;
    let said = new.restore(&file, &passphrase).await;
    assert!(!said.error.contains("warning"), "{}", said.error);
    let told = said.expect();
    assert!(
        told.starts_with("restored 1 job with 1 version and 1 package as of "),
        "{told}"
    );
    new.restore(&file, &passphrase)
        .await
        .refused(6, &["not empty", "1 job, 1 version", "--replace"]);
    let mut again = new.serve().await;
    assert_eq!(again.token, running.token);
    let answer = again.call().await;
    assert_eq!(answer["hello"], "somebody");
    assert_eq!(answer["visits"].as_i64(), Some(visits + 1));
    again.process.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn there_may_be_more_packages_than_a_process_may_have_files_open() {
    let machine = Machine::new().await;
    let mut running = machine.serve().await;
    let client = jobber::outgoing::without_tls().build().unwrap();
    let publish = format!("{}/api/job/publish?allowAutomaticRollout=false", running.admin);
    for number in 0..MANY {
        let module = format!("export function handler(request, response) {{ response.json({number}); }}");
        let package = Package::new("many", &module).version(&format!("1.0.{number}"));
        let sent = client
            .post(&publish)
            .bearer_auth(&running.token)
            .header("content-type", "application/zip")
            .body(package.zip().await);
        assert_eq!(sent.send().await.unwrap().status(), 200);
    }
    // Some more than it has open now: for the dump, the backup and their connections.
    let server = running.process.id().unwrap();
    let open = std::fs::read_dir(format!("/proc/{server}/fd")).unwrap().count();
    let most = open + 24;
    assert!(most < MANY, "{open} files are open");
    let limited = std::process::Command::new("prlimit")
        .args([format!("--pid={server}"), format!("--nofile={most}:{most}")])
        .status();
    assert!(limited.unwrap().success());

    let tool = &running.tool;
    tool.run(&["backup", "--output", "kept.tar"]).await.expect();
    let file = tool.home().join("kept.tar");
    let told = tool.run(&["backup", "verify", "kept.tar", "--json"]).await.json();
    assert_eq!(told["manifest"]["archives"], MANY);
    running.process.kill().await.unwrap();

    let new = Machine::new().await;
    let told = new
        .restore_within(&["prlimit", "--nofile=64:64"], &file, &[])
        .await;
    let expected = format!("restored 1 job with {MANY} versions and {MANY} packages");
    assert!(told.out.starts_with(&expected), "{}\n{}", told.out, told.error);
}
