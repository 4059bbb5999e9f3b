//! The tree as it runs in the product: actors on several threads, ports and sessions on others, in real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use jobber_kernel::Tasks;
use jobber_kernel::testing::run;
use serde_json::json;

use super::{hello, status};
use crate::invocation::{InputBody, Outcome};
use crate::testing::{FakePackage, TestTree, test_settings, whole};
use crate::tree::TreeSettings;

const CALLERS: u32 = 24;
const CALLS: u32 = 60;

#[test]
fn nothing_is_lost_between_threads() {
    let io = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .expect("a test gets a runtime");
    run(async {
        let settings = TreeSettings {
            arbiters: 2,
            ..test_settings()
        };
        let tree = TestTree::start_on(settings, io.handle().clone());
        // Fewer slots than callers, so that most calls go through the queue.
        let action = json!({ "concurrency": 3, "runnerMinCount": 1, "runnerMaxCount": 3 });
        tree.serve(&hello().action(action.clone())).await;
        let other =
            FakePackage::named("other").action(json!({ "runnerAsynchronous": false, "runnerMaxCount": 2 }));
        tree.serve(&other).await;
        let (callers, answered) = (Tasks::new("callers"), Arc::new(AtomicU32::new(0)));
        for caller in 0..CALLERS {
            let (tree, answered) = (tree.clone(), Arc::clone(&answered));
            callers.spawn_on(io.handle(), "caller", async move {
                for call in 0..CALLS {
                    one_call(&tree, caller + call).await;
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for number in 1..=3 {
            let version = tree
                .serve(&hello().action(action.clone()).version(&format!("2.0.{number}")))
                .await;
            tree.catalogue
                .set_environment(version.job, &[("ROUND", &number.to_string())]);
            tree.handle.hint(Some(version.job));
        }
        callers.idle().await;
        assert_eq!(answered.load(Ordering::SeqCst), CALLERS * CALLS);
        for path in ["/hello/x", "/other/x"] {
            tree.until(|| tree.gauge(path).running + tree.gauge(path).waiting == 0)
                .await;
        }
        tree.shut_down().await;
    });
    io.shutdown_background();
}

async fn one_call(tree: &TestTree, number: u32) {
    match number % 4 {
        0 => assert_eq!(tree.get("/hello/x").await, "hello"),
        1 => assert_eq!(status(&tree.call("/other/wait/1").await), 200),
        2 => {
            let body = Bytes::from(vec![b'b'; 100_000]);
            let pending = tree.send_body("/hello/echo", InputBody::Whole(body.clone()));
            let outcome = pending.expect("admitted").outcome().await;
            let Outcome::Responded { body: answer, .. } = outcome else {
                panic!("not answered: {outcome:?}");
            };
            assert_eq!(whole(answer).await, Ok(body));
        }
        _ => drop(tree.send("/hello/wait/20")),
    }
}
