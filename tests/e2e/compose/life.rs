//! A system from its first function to the day on which it is lost, and the one that a backup makes of it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::project::Project;
use crate::support::{Package, Tool, eventually};

const BOUND: Duration = Duration::from_secs(60);
const PASSPHRASE: &str = "correct horse battery staple\n";

/// Counts what reaches it, in its store.
const COUNTS: &str = r"
    export async function handler(request, response, context) {
      if (context.trigger === 'messages') return void (await context.increment('messages', 1));
      if (context.trigger === 'instants') return void (await context.increment('instants', 1));
      if (request.query('publish')) await context.publish('story/in', 'hello');
      const count = async (name) => Number((await context.getStore(name))?.value ?? 0);
      response.json({ messages: await count('messages'), instants: await count('instants') });
    }";

#[tokio::test(flavor = "multi_thread")]
async fn a_system_is_used_from_the_command_line_backed_up_destroyed_and_restored() {
    let mut project = Project::prepare("life").await;
    up(&project).await;
    let tool = signed_in(&project).await;
    publish(&project, &tool).await;

    let before = counted(&tool, |counts| counts["instants"].as_u64() > Some(0)).await;
    tool.run(&["invoke", "counts", "/counts?publish=1"])
        .await
        .expect();
    counted(&tool, |counts| counts["messages"] == 1).await;
    project.compose(&["restart"]).await;
    project.until_healthy("jobber").await;
    counted(&tool, |counts| {
        counts["instants"].as_u64() > before["instants"].as_u64()
    })
    .await;

    let passphrase = tool.home().join("passphrase");
    std::fs::write(&passphrase, PASSPHRASE).unwrap();
    let backup = [
        "backup",
        "--output",
        "system.age",
        "--passphrase-file",
        "passphrase",
    ];
    tool.run(&backup).await.expect();
    let kept = counted(&tool, |_| true).await;
    project.compose(&["down", "--volumes"]).await;

    let restored = restore(&project, tool.home()).await;
    assert!(restored.contains("1 job"), "{restored}");
    up(&project).await;
    // Users and tokens are those of the backup. The broker is a new one, with a password of its own.
    give_password(&project, &tool).await;
    let after = counted(&tool, |counts| counts["instants"] != kept["instants"]).await;
    assert_eq!(after["messages"], 1, "what the function had kept");
    tool.run(&["invoke", "counts", "/counts?publish=1"])
        .await
        .expect();
    counted(&tool, |counts| counts["messages"] == 2).await;

    project.end().await;
    eventually("nothing is left", Duration::from_secs(20), || async {
        project.leftovers().await.is_empty().then_some(())
    })
    .await;
}

async fn up(project: &Project) {
    project.compose(&["up", "--detach", "--no-build"]).await;
    for service in ["postgres", "mosquitto", "jobber"] {
        project.until_healthy(service).await;
    }
}

/// Its administrator at another machine.
async fn signed_in(project: &Project) -> Tool {
    let tool = Tool::new().with("JOBBER_GATEWAY_URL", &project.gateway());
    let password = project.read("/run/secrets/admin-password").await;
    let login = [
        "login",
        &project.admin(),
        "--username",
        "admin",
        "--password-stdin",
    ];
    tool.run_with(&login, &password).await.expect();
    tool
}

async fn publish(project: &Project, tool: &Tool) {
    let connection = json!({
        "host": "mosquitto", "port": "1883", "username": "jobber", "passwordVariable": "MQTT_PASSWORD",
    });
    let package = Package::new("counts", COUNTS)
        .trigger(json!({ "type": "schedule", "name": "instants", "cron": "* * * * * *" }))
        .trigger(json!({
            "type": "mqtt", "name": "messages", "topics": ["story/in"], "qos": 1, "connection": connection,
        }));
    package.write(&tool.home().join("counts"));
    tool.run(&["publish", "counts"]).await.expect();
    give_password(project, tool).await;
}

/// Gives the function the broker's password, and waits until it listens there.
async fn give_password(project: &Project, tool: &Tool) {
    let read = ["exec", "-T", "mosquitto", "cat", "/run/secrets/password"];
    let password = project.compose(&read).await;
    let set = ["env", "set", "counts", "MQTT_PASSWORD", "--secret"];
    tool.run_with(&set, password.trim()).await.expect();
    eventually("the trigger is connected", BOUND, || async {
        let job = tool.run(&["jobs", "counts", "--json"]).await.json();
        let triggers = job["triggers"].as_array()?.clone();
        let messages = triggers.iter().find(|trigger| trigger["name"] == "messages")?;
        (messages["status"]["status"] == "healthy").then_some(())
    })
    .await;
}

/// What the function has counted, once it is as expected.
async fn counted(tool: &Tool, expected: impl Fn(&Value) -> bool) -> Value {
    eventually("the function has counted that", BOUND, || async {
        let said = tool.run(&["invoke", "counts", "--json"]).await;
        let answer: Value = serde_json::from_str(&said.out).ok()?;
        let counts: Value = serde_json::from_str(answer["body"]["text"].as_str()?).ok()?;
        expected(&counts).then_some(counts)
    })
    .await
}

/// Makes a new system of the backup in this folder, as the guide says. Its files are for the server's user.
async fn restore(project: &Project, folder: &Path) -> String {
    let volume = |name: &str| {
        let file = folder.join(name);
        std::os::unix::fs::chown(&file, Some(10_000), None).unwrap();
        format!("{}:/{name}:ro", file.display())
    };
    let (backup, passphrase) = (volume("system.age"), volume("passphrase"));
    let run = ["run", "--rm", "-T", "--volume", &backup, "--volume", &passphrase];
    let command = [
        "jobber",
        "restore",
        "/system.age",
        "--passphrase-file",
        "/passphrase",
    ];
    project.compose(&[&run[..], &command].concat()).await
}
