//! The functions' key/value store.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use jobber::store::{FunctionStoreLimits, PostgresFunctionStore};
use jobber_actors::domain::JobId;
use jobber_actors::ports::{FunctionStore, ItemPage, StoreError};

use crate::support::{Package, Publishing};

struct Fixture {
    publishing: Publishing,
    store: PostgresFunctionStore,
    job: JobId,
}

async fn fixture(limits: FunctionStoreLimits) -> Fixture {
    let publishing = Publishing::new().await;
    let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
    let store = PostgresFunctionStore::new(publishing.db.database.clone(), limits);
    Fixture {
        publishing,
        store,
        job,
    }
}

impl Fixture {
    async fn set(&self, key: &str, value: &'static str) -> Result<(), StoreError> {
        self.store
            .set(self.job, key, Bytes::from_static(value.as_bytes()), None)
            .await
            .map(drop)
    }

    async fn get(&self, key: &str) -> Option<Bytes> {
        self.store
            .get(self.job, key)
            .await
            .unwrap()
            .map(|item| item.value)
    }

    /// Lets an item's time pass.
    async fn expire(&self, key: &str) {
        let expire = "update job_store set expiry = now() - interval '1 second' where key = $1";
        assert_eq!(
            self.publishing
                .db
                .client()
                .await
                .execute(expire, &[&key])
                .await
                .unwrap(),
            1
        );
    }
}

fn keys(page: &ItemPage) -> Vec<&str> {
    page.items.iter().map(|item| item.key.as_str()).collect()
}

#[tokio::test]
async fn what_is_set_is_there_until_it_is_deleted_or_expires() {
    let f = fixture(FunctionStoreLimits::default()).await;
    assert_eq!(f.get("k").await, None);
    let first = f
        .store
        .set(f.job, "k", Bytes::from_static(b"\0\xff"), None)
        .await
        .unwrap();
    let second = f
        .store
        .set(
            f.job,
            "k",
            Bytes::from_static(b"2"),
            Some(Duration::from_secs(60)),
        )
        .await
        .unwrap();
    assert_eq!(first.expiry, None);
    assert_eq!(second.created, first.created, "setting again does not create");
    assert!(second.modified >= first.modified && second.expiry.is_some());
    assert_eq!(f.store.get(f.job, "k").await.unwrap(), Some(second));

    f.expire("k").await;
    assert_eq!(f.get("k").await, None);
    assert!(
        !f.store.delete(f.job, "k").await.unwrap(),
        "an expired item is not there"
    );
    f.set("k", "3").await.unwrap();
    assert!(f.store.delete(f.job, "k").await.unwrap());
    assert!(!f.store.delete(f.job, "k").await.unwrap());
}

#[tokio::test]
async fn an_expired_item_is_created_anew() {
    let f = fixture(FunctionStoreLimits::default()).await;
    let old = f
        .store
        .set(
            f.job,
            "k",
            Bytes::from_static(b"1"),
            Some(Duration::from_secs(60)),
        )
        .await
        .unwrap();
    f.expire("k").await;
    let new = f
        .store
        .set(f.job, "k", Bytes::from_static(b"2"), None)
        .await
        .unwrap();
    assert!(new.created > old.created && new.expiry.is_none());
}

#[tokio::test]
async fn jobs_do_not_see_each_other_and_their_items_go_with_them() {
    let f = fixture(FunctionStoreLimits::default()).await;
    let other = f
        .publishing
        .publish(&Package::new("b", "1"))
        .await
        .unwrap()
        .job_id;
    f.set("k", "1").await.unwrap();
    assert!(f.store.get(other, "k").await.unwrap().is_none());
    f.publishing.jobs.remove(f.job).await.unwrap();
    assert_eq!(f.publishing.db.count("select count(*) from job_store").await, 0);
    assert_eq!(
        f.publishing
            .db
            .count("select count(*) from job_store_usage")
            .await,
        0
    );
    assert!(matches!(f.set("k", "1").await, Err(StoreError::BadRequest(_))));
}

#[tokio::test]
async fn increments_at_the_same_time_all_count() {
    let f = fixture(FunctionStoreLimits::default()).await;
    let results = join_all((0..40).map(|_| f.store.increment(f.job, "n", 1, None))).await;
    let mut numbers: Vec<i64> = results.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    assert_eq!(f.get("n").await.unwrap(), "40");
    assert_eq!(
        f.store
            .increment(f.job, "n", -50, Some(Duration::from_secs(60)))
            .await
            .unwrap(),
        -10
    );
    assert!(f.store.get(f.job, "n").await.unwrap().unwrap().expiry.is_some());
    assert_eq!(f.store.increment(f.job, "n", 0, None).await.unwrap(), -10);
    assert!(
        f.store.get(f.job, "n").await.unwrap().unwrap().expiry.is_some(),
        "no ttl leaves it as it is"
    );
    f.expire("n").await;
    assert_eq!(f.store.increment(f.job, "n", 5, None).await.unwrap(), 5);
}

#[tokio::test]
async fn only_whole_numbers_that_fit_are_incremented() {
    let f = fixture(FunctionStoreLimits::default()).await;
    for value in ["", "x", "1.5", " 1", "0x10", "1e3", "--1"] {
        f.set("n", value).await.unwrap();
        assert!(
            matches!(
                f.store.increment(f.job, "n", 1, None).await,
                Err(StoreError::NotANumber)
            ),
            "{value:?}"
        );
    }
    f.store
        .set(f.job, "n", Bytes::from_static(b"\xff\x00"), None)
        .await
        .unwrap();
    assert!(matches!(
        f.store.increment(f.job, "n", 1, None).await,
        Err(StoreError::NotANumber)
    ));
    f.set("n", "9223372036854775807").await.unwrap();
    assert!(matches!(
        f.store.increment(f.job, "n", 1, None).await,
        Err(StoreError::BadRequest(_))
    ));
}

#[tokio::test]
async fn of_many_swaps_at_once_exactly_one_happens() {
    let f = fixture(FunctionStoreLimits::default()).await;
    let swap = |expected: Option<&'static str>, value: &'static str| {
        let expected = expected.map(|text| Bytes::from_static(text.as_bytes()));
        f.store
            .compare_and_set(f.job, "k", expected, Bytes::from_static(value.as_bytes()), None)
    };
    let won = |results: Vec<Result<bool, StoreError>>| {
        results.into_iter().filter(|won| *won.as_ref().unwrap()).count()
    };
    assert!(!swap(Some("1"), "2").await.unwrap(), "there is nothing yet");
    assert_eq!(won(join_all((0..10).map(|_| swap(None, "1"))).await), 1);
    assert_eq!(won(join_all((0..10).map(|_| swap(Some("1"), "2"))).await), 1);
    assert!(!swap(None, "3").await.unwrap());
    f.expire("k").await;
    assert!(!swap(Some("2"), "3").await.unwrap(), "an expired value is none");
    assert!(swap(None, "3").await.unwrap());
}

#[tokio::test]
async fn keys_are_listed_by_prefix_in_the_order_of_their_bytes() {
    let f = fixture(FunctionStoreLimits::default()).await;
    for key in [
        "user:b",
        "user:a",
        "user:é",
        "user:\u{10ffff}x",
        "user;",
        "User:a",
        "z",
    ] {
        f.set(key, "1").await.unwrap();
    }
    f.store
        .set(f.job, "user:gone", Bytes::new(), Some(Duration::from_secs(60)))
        .await
        .unwrap();
    f.expire("user:gone").await;
    let page = f.store.list(f.job, "user:", None, 2).await.unwrap();
    assert_eq!(
        (keys(&page), page.next.as_deref()),
        (vec!["user:a", "user:b"], Some("user:b"))
    );
    assert_eq!(page.items[0].size, 1);
    let page = f
        .store
        .list(f.job, "user:", page.next.as_deref(), 2)
        .await
        .unwrap();
    assert_eq!(
        (keys(&page), page.next.as_deref()),
        (vec!["user:é", "user:\u{10ffff}x"], None)
    );
    assert_eq!(f.store.list(f.job, "", None, 1_000).await.unwrap().items.len(), 7);
    assert!(matches!(
        f.store.list(f.job, "", None, 0).await,
        Err(StoreError::BadRequest(_))
    ));
    assert!(matches!(
        f.store.list(f.job, "", None, 1_001).await,
        Err(StoreError::BadRequest(_))
    ));
}

#[tokio::test]
async fn a_job_keeps_so_many_keys_and_bytes_and_no_more() {
    let f = fixture(FunctionStoreLimits { keys: 3, bytes: 100 }).await;
    for key in ["a", "b", "c"] {
        f.set(key, "0123456789").await.unwrap();
    }
    assert!(
        matches!(f.set("d", "").await, Err(StoreError::Full)),
        "too many keys"
    );
    assert!(matches!(
        f.store.increment(f.job, "d", 1, None).await,
        Err(StoreError::Full)
    ));
    f.set("a", "replaced").await.unwrap();
    let large = Bytes::from(vec![b'x'; 90]);
    assert!(
        matches!(
            f.store.set(f.job, "a", large.clone(), None).await,
            Err(StoreError::Full)
        ),
        "too many bytes"
    );
    f.store.delete(f.job, "b").await.unwrap();
    f.store.delete(f.job, "c").await.unwrap();
    f.store.set(f.job, "a", large, None).await.unwrap();
    assert!(matches!(f.set("b", "0123456789").await, Err(StoreError::Full)));
    f.set("a", "less").await.unwrap();
    let swap = f
        .store
        .compare_and_set(f.job, "b", None, Bytes::from(vec![0; 99]), None)
        .await;
    assert!(matches!(swap, Err(StoreError::Full)));
}

#[tokio::test]
async fn what_expired_is_purged_and_gives_its_room_back() {
    let f = fixture(FunctionStoreLimits {
        keys: 2,
        ..FunctionStoreLimits::default()
    })
    .await;
    f.set("stays", "1").await.unwrap();
    f.set("goes", "1").await.unwrap();
    f.expire("goes").await;
    assert!(matches!(f.set("new", "1").await, Err(StoreError::Full)));
    assert_eq!(f.store.purge_expired(100).await.unwrap(), 1);
    assert_eq!(f.store.purge_expired(100).await.unwrap(), 0);
    f.set("new", "1").await.unwrap();
    assert_eq!(
        f.publishing
            .db
            .count("select sum(keys)::bigint from job_store_usage")
            .await,
        2
    );
}

#[tokio::test]
async fn values_and_keys_have_limits() {
    let f = fixture(FunctionStoreLimits::default()).await;
    let most = Bytes::from(vec![7; 1_000_000]);
    f.store.set(f.job, "k", most.clone(), None).await.unwrap();
    assert_eq!(f.get("k").await, Some(most));
    let more = Bytes::from(vec![7; 1_000_001]);
    assert!(matches!(
        f.store.set(f.job, "k", more, None).await,
        Err(StoreError::TooLarge(1_000_001))
    ));
    assert!(matches!(f.set("", "1").await, Err(StoreError::BadRequest(_))));
    assert!(matches!(
        f.set(&"k".repeat(513), "1").await,
        Err(StoreError::BadRequest(_))
    ));
    f.set(&"é".repeat(256), "1").await.unwrap();
}
