//! The record while Postgres is away.

use futures_util::{StreamExt, stream};
use reqwest::StatusCode;

use super::publish;
use crate::support::{App, BreakablePostgres, eventually};

/// Calls while Postgres is there, away, and there again.
const CALLS: [usize; 3] = [50, 2_000, 50];
const RECORDED: &str = "select count(*) from invocations where status = 'succeeded'";

#[test]
fn while_postgres_is_away_every_call_is_answered_and_recorded_later() {
    actix_rt::System::new().block_on(async {
        let mut postgres = BreakablePostgres::start().await;
        let app = App::on(postgres.database().await).await;
        let database = postgres.database().await;
        publish(&app).await;
        let [before, meanwhile, after] = CALLS;
        calls(&app, before).await;
        postgres.stop().await;
        calls(&app, meanwhile).await;
        postgres.start_again().await;
        calls(&app, after).await;

        let all = i64::try_from(CALLS.iter().sum::<usize>()).unwrap();
        let recorded = eventually("all calls are recorded", async || {
            let count = database.count(RECORDED).await;
            (count >= all).then_some(count)
        });
        assert_eq!(recorded.await, all, "each of them once");
        app.stop().await;
        postgres.stop().await;
    });
}

/// So many calls, sixteen at a time. None may fail.
async fn calls(app: &App, count: usize) {
    let mut answers = stream::iter(0..count)
        .map(|_| app.call("/answers"))
        .buffer_unordered(16);
    while let Some((status, body)) = answers.next().await {
        assert_eq!(status, StatusCode::OK, "{body}");
    }
}
