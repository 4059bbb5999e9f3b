//! A database of any earlier release, with rows in all of its tables, is brought up to date and loses nothing.

use std::collections::BTreeMap;
use std::path::Path;

use jobber::store::migrate;
use refinery::{Migration, Runner, Target};
use serde_json::Value;
use tokio_postgres::Client;

use crate::support::TestDatabase;

const JOB: &str = "'00000000-0000-7000-8000-000000000001'";
const VERSION: &str = "'00000000-0000-7000-8000-000000000002'";
const TRIGGER: &str = "'00000000-0000-7000-8000-000000000003'";
const USER: &str = "'00000000-0000-7000-8000-000000000004'";
/// Made in 2026: it is in a partition.
const INVOCATION: &str = "'019ab3f0-5d1c-7c51-a2ee-0c51b6f3a2d4'";

/// Rows for the tables that each migration has made, as the release that came with it wrote them. A migration that makes a table
/// has a line here.
fn rows(version: i32) -> String {
    let hash = "decode(repeat('ab', 32), 'hex')";
    match version {
        1 => format!(
            "begin;
             insert into jobs (id, name, description, active_version) values ({JOB}, 'shop', 'sells', {VERSION});
             insert into versions (id, job_id, name, manifest, archive, files, bytes, packed_bytes, import_state, imported_at)
             values ({VERSION}, {JOB}, '1.0.0', '{{\"name\": \"shop\"}}', {hash}, 2, 100, 50, 'succeeded', now());
             insert into actions (id, version_id) values (gen_random_uuid(), {VERSION});
             insert into triggers (id, job_id, key, kind, name) values ({TRIGGER}, {JOB}, 'schedule:nightly', 'schedule', 'nightly');
             insert into version_triggers (version_id, trigger_id, position) values ({VERSION}, {TRIGGER}, 0);
             insert into environment_variables (job_id, name, kind, value) values ({JOB}, 'KEY', 'secret', 'in clear');
             insert into runner_logs (job_id, time, version_id, stream, level, message, fields)
             select {JOB}, '2026-01-30T23:00:00Z'::timestamptz + n * interval '1 hour', {VERSION}, 'stdout', 'info', n::text, '{{\"a\": 1}}'
             from generate_series(1, 3) as n;
             insert into job_store (job_id, key, value) values ({JOB}, 'count', '\\x37');
             insert into admin_token (hash) values ({hash});
             commit"
        ),
        2 => format!(
            "insert into deliveries (id, job_id, trigger_id, kind, input, body, bytes, state, due_at, failed, failure, died_at)
             values ({INVOCATION}, {JOB}, {TRIGGER}, 'schedule', '{{}}', '', 2, 'dead', now(), 3, '{{\"code\": \"x\"}}', now());
             insert into schedule_cursors values ({TRIGGER}, '@daily', now());
             insert into schedule_fires (trigger_id, at, job_id, state, invocation_id, last_at)
             values ({TRIGGER}, now(), {JOB}, 'fired', {INVOCATION}, now())"
        ),
        3 => format!(
            "insert into users (id, username, password_hash, permissions) values ({USER}, 'ann', 'a hash', '[]');
             insert into sessions (id, user_id, hash, address, expires_at)
             values (gen_random_uuid(), {USER}, {hash}, '192.0.2.7', now() + interval '1 day');
             insert into api_tokens (id, user_id, prefix, hash, permissions) values (gen_random_uuid(), {USER}, 'jbr_', {hash}, '[]');
             insert into audit_log (user_id, address, action, resource, status, after)
             values ({USER}, '192.0.2.7', 'POST /api/job/publish', '/api/job/publish', 200, '{{}}')"
        ),
        4 => format!(
            "insert into master_key (key_id) values (decode('0102030405060708', 'hex'));
             insert into environment_variables (job_id, name, kind, sealed, bytes)
             values ({JOB}, 'SEALED', 'text', decode(repeat('cd', 60), 'hex'), 11)"
        ),
        9 => format!(
            "select make_daily_partition(parent, '2025-11-24') from unnest(array['invocations', 'invocation_payloads']) as parent;
             insert into invocations (id, attempt, job_id, trigger_id, kind, subject, status, queued_at, server_id, captured)
             values ({INVOCATION}, 1, {JOB}, {TRIGGER}, 'http', 'GET /', 'failed', now(), gen_random_uuid(), true);
             insert into invocation_payloads (id, attempt, input, input_body, input_truncated, output_body, output_truncated)
             values ({INVOCATION}, 1, '{{}}', 'in', false, 'out', false)"
        ),
        10 => format!(
            "insert into async_calls (id, job_id, ending, ended_at, head, body)
             values ({INVOCATION}, {JOB}, 'succeeded', now(), '{{}}', 'answer');
             insert into idempotency_keys values ({JOB}, 'again', {hash}, {INVOCATION}, now() + interval '1 day');
             insert into secrets (job_id, name, sealed) values ({JOB}, 'callback', decode(repeat('ef', 60), 'hex'))"
        ),
        11 => format!(
            "select make_daily_partition('metric_rollups', '2026-01-30');
             insert into metric_rollups
             select '2026-01-30T12:00:00Z', {JOB}, 'http', gen_random_uuid(), 1, 0, 0, 0, 0, 0, 0, 1, 9, 9, 9, 9, counts, counts, counts, 1, 1, 1
             from (select array_fill(1::bigint, array[18]) as counts) as filled"
        ),
        // These have made no table.
        _ => String::new(),
    }
}

fn migrations() -> Vec<Migration> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let migration = |file: &Path| {
        let name = file.file_stem().unwrap().to_str().unwrap();
        Migration::unapplied(name, &std::fs::read_to_string(file).unwrap()).unwrap()
    };
    files.iter().map(|file| migration(file)).collect()
}

/// All rows of all tables.
async fn contents(sql: &Client) -> BTreeMap<String, Vec<Value>> {
    let tables = "select relname::text from pg_class
                  where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace
                    and relname <> 'refinery_schema_history'";
    let mut found = BTreeMap::new();
    for table in sql.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let rows = sql
            .query(&format!("select to_jsonb(t) from {table} as t"), &[])
            .await
            .unwrap();
        found.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    found
}

/// Whether a row has all that an older one has.
fn has_all(new: &Value, old: &Value) -> bool {
    let old = old.as_object().expect("a row is an object");
    old.iter().all(|(column, value)| new.get(column) == Some(value))
}

#[tokio::test]
async fn a_database_of_any_release_is_brought_up_to_date_with_all_that_is_in_it() {
    let all = migrations();
    for last in 1..=all.len() {
        let db = TestDatabase::empty().await;
        let mut sql = db.client().await;
        for version in 1..=i32::try_from(last).unwrap() {
            let runner = Runner::new(&all).set_target(Target::Version(version));
            runner.run_async(&mut sql).await.unwrap();
            let filled = sql.batch_execute(&rows(version)).await;
            filled.unwrap_or_else(|error| panic!("the rows of migration {version}: {error:?}"));
        }
        let before = contents(&sql).await;
        for (table, rows) in &before {
            assert!(
                !rows.is_empty(),
                "no rows in {table}: the migration that made it has no line in this test"
            );
        }

        assert_eq!(migrate(&db.database).await.unwrap(), all.len() - last);

        let after = contents(&sql).await;
        for (table, rows) in before {
            let now = &after[&table];
            assert_eq!(now.len(), rows.len(), "{table} from migration {last}");
            for row in rows {
                assert!(
                    now.iter().any(|new| has_all(new, &row)),
                    "{table} from migration {last}: {row} is lost"
                );
            }
        }
    }
}
