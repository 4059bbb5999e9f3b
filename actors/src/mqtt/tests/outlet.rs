//! The order of what functions publish, over lost connections.

use bytes::Bytes;
use jobber_kernel::testing::run_paused;

use crate::manifest::QualityOfService;
use crate::mqtt::outlet::{Outlet, PUBLISH_TIME, PublishError, check_topic};
use crate::ports::{MessageProperties, Publication, PublicationError, PublicationId, PublisherLine};

fn publication(topic: &str) -> Publication {
    Publication {
        topic: topic.into(),
        payload: Bytes::from_static(b"x"),
        qos: QualityOfService::AtLeastOnce,
        retain: false,
        properties: MessageProperties::default(),
    }
}

async fn next(outlet: &Outlet) -> (PublicationId, String) {
    let (id, publication) = outlet.next().await.expect("there is one");
    (id, publication.topic)
}

#[test]
fn what_was_not_acknowledged_goes_first_with_the_next_connection() {
    run_paused(async {
        let outlet = Outlet::default();
        let mut replies = Vec::new();
        for topic in ["a", "b", "c"] {
            replies.push(outlet.publish(publication(topic)).unwrap());
        }
        outlet.connected();
        let (first, _) = next(&outlet).await;
        let (second, topic) = next(&outlet).await;
        assert_eq!(topic, "b");
        outlet.published(first, Ok(()));
        outlet.published(second, Err(PublicationError::Interrupted));
        outlet.disconnected("cut");
        outlet.connected();
        let (again, topic) = next(&outlet).await;
        assert_eq!((again, topic.as_str()), (second, "b"));
        let (third, topic) = next(&outlet).await;
        assert_eq!(topic, "c");
        outlet.published(third, Err(PublicationError::Refused("not authorised".into())));
        outlet.published(again, Ok(()));
        let mut results = Vec::new();
        for reply in replies {
            results.push(reply.await.unwrap());
        }
        let refused = Err(PublishError::Refused("not authorised".into()));
        assert_eq!(results, [Ok(()), Ok(()), refused]);
        assert_eq!(outlet.waiting(), 0);
    });
}

#[test]
fn a_broker_that_does_not_answer_is_told_to_the_function_in_time() {
    run_paused(async {
        let outlet = Outlet::default();
        let reply = outlet.publish(publication("a")).unwrap();
        outlet.disconnected("connection refused");
        let begun = tokio::time::Instant::now();
        let error = tokio::select! {
            () = outlet.expire() => unreachable!("it never ends by itself"),
            answered = reply => answered.unwrap().unwrap_err(),
        };
        assert_eq!(begun.elapsed().as_secs(), PUBLISH_TIME.as_secs());
        assert!(error.to_string().contains("connection refused"), "{error}");
    });
}

#[test]
fn the_outlet_is_bounded_and_says_so() {
    let outlet = Outlet::default();
    let mut replies = Vec::new();
    for _ in 0..1_000 {
        replies.push(outlet.publish(publication("a")).unwrap());
    }
    assert_eq!(outlet.publish(publication("a")).unwrap_err(), PublishError::Full);
    outlet.abandon();
    assert_eq!(
        outlet.publish(publication("a")).unwrap_err(),
        PublishError::Closed
    );
    for mut reply in replies {
        assert_eq!(reply.try_recv().unwrap(), Err(PublishError::Closed));
    }
}

#[test]
fn topics_that_are_none_are_refused() {
    for topic in ["", "a/+", "#", "a\0b"] {
        assert!(
            matches!(check_topic(topic), Err(PublishError::BadTopic(_))),
            "{topic:?}"
        );
    }
    assert!(check_topic(&"x".repeat(65_536)).is_err());
    assert_eq!(check_topic("a/b c/ü"), Ok(()));
}
