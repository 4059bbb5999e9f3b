//! What can be published. A packet that breaks the protocol or a limit would end the connection, and so would the next
//! attempt to send it: it is refused before it is sent.

use jobber_actors::ports::{MessageProperties, Publication};
use jobber_actors::topic::MAX_TOPIC_BYTES;

use super::dialect::PublishLimits;

/// Most bytes of a text or of data that has a length of 16 bits before it.
const MAX_FIELD_BYTES: usize = 65_535;

/// Whether the broker takes it, as far as both versions of MQTT have the same rules.
///
/// # Errors
/// Why not.
pub(super) fn check(publication: &Publication, limits: &PublishLimits) -> Result<(), String> {
    check_topic("the topic", &publication.topic)?;
    if publication.qos > limits.qos {
        return Err(format!(
            "it takes messages up to QoS {}, this one has QoS {}",
            limits.qos.level(),
            publication.qos.level()
        ));
    }
    if publication.retain && !limits.retain {
        return Err("it does not keep messages for later subscribers".to_owned());
    }
    Ok(())
}

/// Whether the properties can be written.
///
/// # Errors
/// Why not.
pub(super) fn check_properties(properties: &MessageProperties) -> Result<(), String> {
    if let Some(topic) = &properties.response_topic {
        check_topic("the response topic", topic)?;
    }
    if let Some(text) = &properties.content_type {
        check_text("the content type", text)?;
    }
    if properties
        .correlation_data
        .as_ref()
        .is_some_and(|data| data.len() > MAX_FIELD_BYTES)
    {
        return Err(format!(
            "the correlation data has more than {MAX_FIELD_BYTES} bytes"
        ));
    }
    if properties
        .payload_format_indicator
        .is_some_and(|format| format > 1)
    {
        return Err("the payload format indicator is neither 0 nor 1".to_owned());
    }
    for (name, value) in &properties.user_properties {
        check_text("the name of a user property", name)?;
        check_text("the value of a user property", value)?;
    }
    Ok(())
}

/// Whether a packet of this size is taken.
///
/// # Errors
/// Why not.
pub(super) fn check_size(packet_bytes: usize, limits: &PublishLimits) -> Result<(), String> {
    if packet_bytes > limits.packet_bytes {
        return Err(format!(
            "it takes packets up to {} bytes, this one has {packet_bytes}",
            limits.packet_bytes
        ));
    }
    Ok(())
}

fn check_topic(what: &str, topic: &str) -> Result<(), String> {
    if topic.is_empty() || topic.len() > MAX_TOPIC_BYTES {
        return Err(format!("{what} must have 1 to {MAX_TOPIC_BYTES} bytes"));
    }
    if topic.contains(['+', '#', '\0']) {
        return Err(format!(
            "{what} must not contain `+`, `#` or the character U+0000"
        ));
    }
    Ok(())
}

fn check_text(what: &str, text: &str) -> Result<(), String> {
    if text.len() > MAX_FIELD_BYTES {
        return Err(format!("{what} has more than {MAX_FIELD_BYTES} bytes"));
    }
    if text.contains('\0') {
        return Err(format!("{what} contains the character U+0000"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jobber_actors::manifest::QualityOfService;

    use super::*;

    const LIMITS: PublishLimits = PublishLimits {
        packet_bytes: 100,
        qos: QualityOfService::AtLeastOnce,
        retain: false,
    };

    fn publication(topic: &str, qos: QualityOfService, retain: bool) -> Publication {
        Publication {
            topic: topic.to_owned(),
            payload: Bytes::new(),
            qos,
            retain,
            properties: MessageProperties::default(),
        }
    }

    #[test]
    fn what_the_broker_does_not_take_is_refused_with_the_reason() {
        let told = |topic: &str, qos, retain| check(&publication(topic, qos, retain), &LIMITS);
        let (once, exactly) = (QualityOfService::AtLeastOnce, QualityOfService::ExactlyOnce);
        told("a/b", once, false).unwrap();
        assert!(told("", once, false).unwrap_err().contains("1 to 65535 bytes"));
        assert!(told("a/+", once, false).unwrap_err().contains("must not contain"));
        assert!(told("a\0", once, false).unwrap_err().contains("must not contain"));
        assert!(told("a", exactly, false).unwrap_err().contains("up to QoS 1"));
        assert!(told("a", once, true).unwrap_err().contains("does not keep"));
        check_size(100, &LIMITS).unwrap();
        assert_eq!(
            check_size(101, &LIMITS).unwrap_err(),
            "it takes packets up to 100 bytes, this one has 101"
        );
    }

    #[test]
    fn properties_that_can_not_be_written_are_refused() {
        let with = |change: &dyn Fn(&mut MessageProperties)| {
            let mut properties = MessageProperties::default();
            change(&mut properties);
            check_properties(&properties)
        };
        with(&|properties| properties.response_topic = Some("answers/1".to_owned())).unwrap();
        with(&|properties| properties.response_topic = Some("answers/#".to_owned())).unwrap_err();
        with(&|properties| properties.content_type = Some("a\0".to_owned())).unwrap_err();
        with(&|properties| properties.correlation_data = Some(vec![0; 65_536].into())).unwrap_err();
        with(&|properties| properties.payload_format_indicator = Some(2)).unwrap_err();
        with(&|properties| properties.user_properties = vec![("x".repeat(65_536), String::new())])
            .unwrap_err();
    }
}
