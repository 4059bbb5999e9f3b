//! Asynchronous calls: accepted now, answered later.

mod callbacks;
mod keys;
mod limits;
mod results;
mod secrets;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{App, Package};

/// Does what its path says: `/f/…`.
const MODULE: &str = r#"
    export async function handler(request, response, context) {
        switch (request.param('what')) {
            case 'echo':
                response.status(201).header('x-answer', 'yes').appendHeader('set-cookie', 'a=1').appendHeader('set-cookie', 'b=2');
                response.json({ method: request.method(), query: request.query('q'), body: request.text(),
                                callback: request.header('x-jobber-callback') ?? null,
                                traces: request.header('traceparent') ?? null, attempt: request.attempt() });
                return;
            case 'bytes': return new Response(Buffer.alloc(Number(request.query('n')), request.query('b') ?? 'x'));
            case 'stream':
                return new Response(new ReadableStream({
                    start(controller) {
                        for (let i = 0; i < Number(request.query('n')); i += 1) controller.enqueue(Buffer.alloc(1000, 'x'));
                        controller.close();
                    }
                }));
            case 'broken': return response.status(503).text('out of order');
            case 'throws': throw new Error('a secret of the function');
            case 'third': if (request.attempt() < 3) throw new Error('not yet'); return response.text(`${request.attempt()}`);
            case 'count': return response.text(`${await context.increment(request.text() || 'count')}`);
            case 'waits':
                await context.increment('begun');
                await new Promise((done) => request.signal.addEventListener('abort', done));
                await context.increment('aborted');
                return;
            case 'look': return response.json((await context.getStore(request.query('key')))?.value ?? null);
        }
    }"#;

fn package() -> Package {
    Package::new("f", "1")
        .routes(&["/f/:what"])
        .file("index.js", MODULE)
        .with(
            "action",
            json!({"runnerMinCount": 0, "runnerMaxCount": 1, "retries": {"max": 2, "backoff": 0.1}}),
        )
}

async fn publish(app: &App) {
    let (status, body) = app.publish(&package()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

/// What a function has put into its store.
async fn stored(app: &App, key: &str) -> Value {
    let (status, body) = app.call(&format!("/f/look?key={key}")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Waits until a function has put something into its store.
async fn until_stored(app: &App, key: &str) {
    crate::support::eventually(&format!("{key} is stored"), async || {
        (!stored(app, key).await.is_null()).then_some(())
    })
    .await;
}
