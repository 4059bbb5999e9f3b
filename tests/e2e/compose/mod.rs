//! `docker compose up`, as an operator does it: the repository's own file on real Docker.

mod life;
mod project;

use std::time::Duration;

use reqwest::Client;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

pub use self::project::Project;
use self::project::{compose_with, docker, root};
use crate::support::{Package, containers_of, eventually};

const PROFILES: [&str; 5] = ["", "mqtt", "logs", "metrics", "socket-proxy"];

/// Tries to open a connection, and says what came of it.
const CONNECTS: &str = r"
    import net from 'node:net';
    export function handler(request, response) {
      return new Promise((done) => {
        const socket = net.connect(Number(request.query('port')), request.query('host'));
        const answer = (text) => { socket.destroy(); response.text(text); done(response); };
        socket.setTimeout(1500, () => answer('no way'));
        socket.on('connect', () => answer('connected'));
        socket.on('error', (error) => answer(error.code));
      });
    }";

#[tokio::test]
async fn the_compose_file_has_no_warnings_in_any_profile_and_its_settings_are_explained() {
    let every = &PROFILES[1..];
    let alone = PROFILES.chunks(1);
    for settings in ["/dev/null", ".env.example"] {
        for profiles in alone.clone().chain([every]) {
            let profiles: Vec<_> = profiles.iter().copied().filter(|name| !name.is_empty()).collect();
            let said = compose_with(settings, &profiles, &["config", "--quiet"]).await;
            assert!(
                said.success && said.error.is_empty(),
                "{profiles:?}: {}",
                said.error
            );
        }
    }
    let file = std::fs::read_to_string(root().join("docker-compose.yaml")).unwrap();
    let example = std::fs::read_to_string(root().join(".env.example")).unwrap();
    let used = file
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split([':', '}']).next());
    for name in used.filter(|&name| name != "COMPOSE_PROJECT_NAME") {
        assert!(
            example.contains(&format!("{name}=")),
            ".env.example does not explain {name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_comes_up_serves_keeps_its_database_to_itself_and_outlives_restarts() {
    let mut project = Project::prepare("up").await;
    project.compose(&["up", "--detach", "--no-build"]).await;
    for service in ["postgres", "mosquitto", "jobber"] {
        project.until_healthy(service).await;
    }

    let password = project.read("/run/secrets/admin-password").await;
    let client = jobber::outgoing::without_tls()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let session = sign_in(&client, &project, &password).await;
    publish(&client, &project, &session, &Package::new("connects", CONNECTS)).await;

    assert_eq!(connects(&client, &project, "jobber", "5211").await, "connected");
    runners_are_apart_from_the_database(&client, &project).await;
    nothing_may_more_than_it_has_to(&project).await;
    no_secret_is_shown(&project, &password).await;
    crate::documents::self_hosting(&project).await;

    project.compose(&["restart"]).await;
    project.until_healthy("jobber").await;
    assert_eq!(connects(&client, &project, "jobber", "5211").await, "connected");

    // Another tag is another release: the containers are replaced, what they know stays.
    let next = format!("{}-next", project.name);
    project.release(&next).await;
    project.compose_at(&next, &["up", "--detach", "--no-build"]).await;
    project.until_healthy("jobber").await;
    let image = project.container("jobber").await["Config"]["Image"].clone();
    assert_eq!(image, format!("jobber/server:{next}"));
    assert_eq!(connects(&client, &project, "jobber", "5211").await, "connected");
    assert_eq!(project.read("/run/secrets/admin-password").await, password);
    sign_in(&client, &project, &password).await;
    // What backups are made with fits the server.
    let dump = ["exec", "-T", "--user", "jobber", "jobber", "sh", "-c"];
    let backup = "pg_dump --schema-only \"$(cat /run/secrets/database-url)\"";
    let dumped = project.compose(&[&dump[..], &[backup]].concat()).await;
    assert!(dumped.contains("CREATE TABLE public.jobs"), "{dumped}");

    project.end().await;
    // The engine may still be at the removal of the last runners when their server has ended.
    eventually("nothing is left", Duration::from_secs(20), || async {
        project.leftovers().await.is_empty().then_some(())
    })
    .await;
}

/// Signs in as the administrator that was made. Gives the session's cookie.
async fn sign_in(client: &Client, project: &Project, password: &str) -> String {
    let login = json!({ "username": "admin", "password": password });
    let login = client
        .post(format!("{}/api/auth/login", project.admin()))
        .json(&login);
    let answer = login.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", project.logs().await);
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn publish(client: &Client, project: &Project, session: &str, package: &Package) {
    let archive = Part::bytes(package.zip().await).file_name("package.zip");
    let request = client.post(format!("{}/api/job/publish", project.admin()));
    let request = request
        .header(COOKIE, session)
        .multipart(Form::new().part("archive", archive));
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let said = answer.text().await.unwrap();
    assert!(status.is_success(), "{status}: {said}\n{}", project.logs().await);
}

/// What comes of a connection that a function opens.
async fn connects(client: &Client, project: &Project, host: &str, port: &str) -> String {
    let url = format!("{}/connects?host={host}&port={port}", project.gateway());
    eventually("the function answers", Duration::from_secs(60), || async {
        let answer = client.get(&url).send().await.ok()?;
        let good = answer.status().is_success();
        answer.text().await.ok().filter(|_| good)
    })
    .await
}

/// The networks of a container, with its address in each.
fn networks(container: &Value) -> Vec<(&str, &str)> {
    let networks = container["NetworkSettings"]["Networks"].as_object().unwrap();
    networks
        .iter()
        .map(|(name, network)| (name.as_str(), network["IPAddress"].as_str().unwrap()))
        .collect()
}

async fn runners_are_apart_from_the_database(client: &Client, project: &Project) {
    let postgres = project.container("postgres").await;
    let database = format!("{}_database", project.name);
    let addresses = networks(&postgres);
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    assert_eq!(addresses[0].0, database);
    let published = postgres["NetworkSettings"]["Ports"].as_object().unwrap();
    assert!(published.values().all(Value::is_null), "{published:?}");
    let inside = docker(&["network", "inspect", "--format", "{{.Internal}}", &database]).await;
    assert_eq!(inside.trim(), "true");

    let runners = containers_of("jobber.instance", &project.name).await;
    assert!(!runners.is_empty());
    for runner in runners {
        let inspected: Value = serde_json::from_str(&docker(&["inspect", &runner]).await).unwrap();
        let names: Vec<_> = networks(&inspected[0])
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        assert_eq!(names, [format!("{}_runners", project.name)]);
        // One route to the runners' own network, one to everywhere by its gateway, and none to the database's.
        let routes = docker(&["exec", &runner, "cat", "/proc/net/route"]).await;
        assert_eq!(routes.lines().count(), 3, "{routes}");
        let address: std::net::Ipv4Addr = addresses[0].1.parse().unwrap();
        assert!(!routed_directly(&routes, address), "{address} {routes}");
    }
    // By that gateway there is no way either.
    assert_eq!(connects(client, project, addresses[0].1, "5432").await, "no way");
}

/// Whether a route that is not the one to everywhere leads to this address. The kernel shows addresses as they are in memory.
fn routed_directly(routes: &str, address: std::net::Ipv4Addr) -> bool {
    let address = u32::from_ne_bytes(address.octets());
    routes.lines().skip(1).any(|route| {
        let column = |index| u32::from_str_radix(route.split_whitespace().nth(index).unwrap(), 16).unwrap();
        let (destination, mask) = (column(1), column(7));
        mask != 0 && address & mask == destination
    })
}

async fn nothing_may_more_than_it_has_to(project: &Project) {
    let services = project.compose(&["ps", "--all", "--services"]).await;
    assert!(services.lines().count() >= 7, "{services}");
    for service in services.lines() {
        let container = project.container(service).await;
        let host = &container["HostConfig"];
        assert_eq!(host["CapDrop"], json!(["ALL"]), "{service}");
        assert_eq!(
            host["SecurityOpt"],
            json!(["no-new-privileges:true"]),
            "{service}"
        );
        assert_eq!(host["ReadonlyRootfs"], true, "{service}");
        assert!(host["Memory"].as_u64().unwrap() > 0, "{service}");
        assert!(host["PidsLimit"].as_u64().unwrap() > 0, "{service}");
        assert_eq!(host["Privileged"], false, "{service}");
    }
    // The server is another user than the one its container starts as, with one more group: the socket's.
    let status = project.read("/proc/1/status").await;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(field("Name:"), ["jobber"]);
    assert_eq!(field("Uid:"), ["10000"; 4]);
    assert_eq!(field("Gid:"), ["10000"; 4]);
    assert_eq!(field("CapEff:"), ["0000000000000000"]);
    assert_eq!(field("CapPrm:"), ["0000000000000000"]);
    let socket = [
        "exec",
        "-T",
        "jobber",
        "stat",
        "--format=%g",
        "/var/run/docker.sock",
    ];
    assert_eq!(field("Groups:"), [project.compose(&socket).await.trim()]);
}

/// Neither logs nor what Docker shows of containers have a secret.
async fn no_secret_is_shown(project: &Project, password: &str) {
    let url = project.read("/run/secrets/database-url").await;
    let database = url.split([':', '@']).nth(2).unwrap();
    let token = [
        "exec",
        "-T",
        "--user",
        "jobber",
        "jobber",
        "cat",
        "/var/lib/jobber/admin-token",
    ];
    let token = project.compose(&token).await;
    let ids = project.compose(&["ps", "--all", "--quiet"]).await;
    let mut shown = docker(&[&["inspect"], &ids.lines().collect::<Vec<_>>()[..]].concat()).await;
    shown += &project.logs().await;
    shown += &docker(
        &[
            &["image", "history", "--no-trunc"],
            &[&*format!("jobber/server:{}", project.name)][..],
        ]
        .concat(),
    )
    .await;
    for (what, secret) in [
        ("the administrator's", password),
        ("Postgres'", database),
        ("the API's", token.trim()),
    ] {
        assert!(
            secret.len() >= 40,
            "{what} secret has {} characters",
            secret.len()
        );
        assert!(!shown.contains(secret), "{what} secret is shown");
    }
}
