//! What both ports say of the server while Postgres goes away and comes back.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{App, BreakablePostgres, Package, eventually};

/// No probe takes longer than this, whatever is the matter.
const PROBE: Duration = Duration::from_secs(1);
const CHECKS: [&str; 8] = [
    "server",
    "database",
    "catalogue",
    "engine",
    "log-store",
    "gateway",
    "jobs",
    "brokers",
];

/// Who asks without proof, as load balancers do.
struct Prober {
    client: Client,
    admin: String,
    gateway: String,
}

impl Prober {
    fn of(app: &App) -> Self {
        Self {
            client: jobber::outgoing::without_tls().build().unwrap(),
            admin: app.url.clone(),
            gateway: app.gateway_url.clone(),
        }
    }

    async fn ask(&self, url: String) -> (StatusCode, Value) {
        let asking = async {
            let answer = self.client.get(&url).send().await.unwrap();
            (answer.status(), answer.json().await.unwrap())
        };
        timeout(PROBE, asking).await.expect("no probe has to wait")
    }

    async fn admin(&self) -> (StatusCode, Value) {
        let (status, body) = self.ask(format!("{}/readyz", self.admin)).await;
        assert_eq!(body["success"], status.is_success(), "{body}");
        (status, body["data"].clone())
    }

    async fn gateway(&self) -> (StatusCode, Value) {
        self.ask(format!("{}/readyz", self.gateway)).await
    }

    /// Both ports are alive; gives what they say is amiss.
    async fn alive(&self) -> [Value; 2] {
        let (status, admin) = self.ask(format!("{}/healthz", self.admin)).await;
        assert_eq!(
            (status, &admin["data"]["status"]),
            (StatusCode::OK, &json!("alive"))
        );
        let (status, gateway) = self.ask(format!("{}/healthz", self.gateway)).await;
        assert_eq!((status, &gateway["status"]), (StatusCode::OK, &json!("alive")));
        [admin["data"]["amiss"].clone(), gateway["amiss"].clone()]
    }

    /// Waits until all is well on both ports.
    async fn well(&self) {
        let well = json!({ "status": "ok", "checks": CHECKS.map(|check| json!({ "check": check, "status": "ok" })) });
        eventually("all is well", async || {
            let (admin, gateway) = (self.admin().await, self.gateway().await);
            (admin == (StatusCode::OK, well.clone()) && gateway == admin).then_some(())
        })
        .await;
        assert_eq!(self.alive().await, [json!([]), json!([])]);
    }

    /// Waits until the API is not ready because of the database, for this reason. Gives the whole report.
    async fn without_database(&self, reason: &str) -> Value {
        eventually("the database is missed", async || {
            let (status, report) = self.admin().await;
            let database = report["checks"][1].clone();
            let missed = status == StatusCode::SERVICE_UNAVAILABLE && database["reason"] == reason;
            missed.then_some(report)
        })
        .await
    }
}

#[test]
fn an_outage_of_postgres_is_told_with_its_reason_and_takes_no_function_away() {
    actix_rt::System::new().block_on(async {
        let mut postgres = BreakablePostgres::start().await;
        let app = App::on(postgres.database().await).await;
        let prober = Prober::of(&app);
        let package = Package::new("steady", "1.0.0").with("action", json!({ "runnerMinCount": 1 }));
        let (status, body) = app.publish(&package).await;
        assert_eq!(status, 200, "{body}");
        prober.well().await;

        let password = postgres.password();
        postgres.stop().await;
        let report = prober.without_database("unavailable").await;
        let database = &report["checks"][1];
        assert_eq!(
            (&report["status"], &database["status"]),
            (&json!("failed"), &json!("failed"))
        );
        assert!(database["since"].is_string(), "{database}");
        let detail = database["detail"].as_str().unwrap();
        assert!(detail.contains("no connection to the database"), "{detail}");
        assert!(!report.to_string().contains(&password));

        let (status, gateway) = prober.gateway().await;
        assert_eq!((status, &gateway["status"]), (StatusCode::OK, &json!("degraded")));
        let told = json!({ "check": "database", "status": "degraded", "reason": "unavailable" });
        assert_eq!(gateway["checks"][1], told, "strangers hear no details");
        for amiss in prober.alive().await {
            assert!(amiss.as_array().unwrap().contains(&json!("database")), "{amiss}");
        }
        assert_eq!(app.call("/steady").await, (StatusCode::OK, "hello".to_owned()));

        postgres.start_again().await;
        prober.well().await;

        postgres.silence();
        prober.without_database("timed-out").await;
        assert_eq!(prober.gateway().await.0, StatusCode::OK);
        postgres.open();
        prober.well().await;

        app.stop().await;
        postgres.stop().await;
    });
}

#[test]
fn a_flood_of_probes_does_not_reach_postgres() {
    const PROBES: u64 = 600;
    actix_rt::System::new().block_on(async {
        let mut postgres = BreakablePostgres::start().await;
        let app = App::on(postgres.database().await).await;
        let prober = Prober::of(&app);
        prober.well().await;

        let before = postgres.said();
        let mut probes = JoinSet::new();
        for number in 0..PROBES {
            let port = if number % 2 == 0 {
                &prober.admin
            } else {
                &prober.gateway
            };
            let asking = prober.client.get(format!("{port}/readyz")).send();
            probes.spawn_local(async move { asking.await.unwrap().status() });
        }
        while let Some(status) = probes.join_next().await {
            assert_eq!(status.unwrap(), StatusCode::OK);
        }
        let said = postgres.said() - before;
        assert!(said < PROBES / 4, "{said} words for {PROBES} probes");

        let looked = postgres.said();
        eventually("it is looked again", async || {
            (postgres.said() > looked).then_some(())
        })
        .await;
        app.stop().await;
        postgres.stop().await;
    });
}

#[test]
fn jobs_whose_runners_do_not_start_are_noted_and_the_server_is_ready_all_the_same() {
    App::story(async |app| {
        let prober = Prober::of(app);
        prober.well().await;
        // It is published with a module that works, and breaks later: what it imports is a variable's.
        let module = "if (process.env.BROKEN) throw new Error('broken');\n\
                      export function handler(request, response) { response.text('hello'); }";
        let package = Package::new("fragile", "1.0.0")
            .file("index.js", module)
            .with("action", json!({ "runnerMinCount": 1 }));
        let (status, body) = app.publish(&package).await;
        assert_eq!(status, 200, "{body}");
        let variable = app
            .request(reqwest::Method::POST, "/api/job/fragile/environment/BROKEN")
            .json(&json!({ "type": "text", "value": "yes" }));
        assert!(variable.send().await.unwrap().status().is_success());

        let noted = eventually("the job is noted", async || {
            let (status, report) = prober.admin().await;
            assert_eq!(status, StatusCode::OK, "{report}");
            (report["status"] == "degraded").then(|| report["checks"][6].clone())
        })
        .await;
        assert_eq!(
            (&noted["check"], &noted["reason"]),
            (&json!("jobs"), &json!("no-runners"))
        );
        assert!(noted["detail"].as_str().unwrap().starts_with("1 of"), "{noted}");
        let (status, gateway) = prober.gateway().await;
        assert_eq!((status, &gateway["status"]), (StatusCode::OK, &json!("degraded")));
        assert_eq!(gateway["checks"][6].get("detail"), None);

        let removed = app.request(reqwest::Method::DELETE, "/api/job/fragile/environment/BROKEN");
        assert!(removed.send().await.unwrap().status().is_success());
        prober.well().await;
    });
}
