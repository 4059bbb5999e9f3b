//! The properties of a message, in both directions.

use bytes::Bytes;
use jobber_actors::ports::MessageProperties;
use rumqttc_v5::PublishProperties;

/// What came with a message, and the subscriptions for which it was sent.
pub(super) fn received(properties: PublishProperties) -> (MessageProperties, Vec<u32>) {
    let subscriptions = properties
        .subscription_identifiers
        .into_iter()
        .filter_map(|identifier| u32::try_from(identifier).ok())
        .collect();
    let properties = MessageProperties {
        content_type: properties.content_type,
        response_topic: properties.response_topic,
        // A copy: it would keep the whole buffer that it arrived in.
        correlation_data: properties
            .correlation_data
            .map(|data| Bytes::copy_from_slice(&data)),
        payload_format_indicator: properties.payload_format_indicator,
        message_expiry_interval: properties.message_expiry_interval,
        user_properties: properties.user_properties,
    };
    (properties, subscriptions)
}

/// What goes with a message; nothing if there is nothing to say.
pub(super) fn to_send(properties: &MessageProperties) -> Option<PublishProperties> {
    if *properties == MessageProperties::default() {
        return None;
    }
    let MessageProperties {
        content_type,
        response_topic,
        correlation_data,
        payload_format_indicator,
        message_expiry_interval,
        user_properties,
    } = properties.clone();
    Some(PublishProperties {
        payload_format_indicator,
        message_expiry_interval,
        topic_alias: None,
        response_topic,
        correlation_data,
        user_properties,
        subscription_identifiers: Vec::new(),
        content_type,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_properties_come_back_as_they_were_sent() {
        let properties = MessageProperties {
            content_type: Some("application/json".to_owned()),
            response_topic: Some("answers".to_owned()),
            correlation_data: Some(Bytes::from_static(b"\0\x01")),
            payload_format_indicator: Some(1),
            message_expiry_interval: Some(60),
            user_properties: vec![("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())],
        };
        let sent = PublishProperties {
            subscription_identifiers: vec![7, 268_435_455],
            ..to_send(&properties).unwrap()
        };
        assert_eq!(received(sent), (properties, vec![7, 268_435_455]));
    }

    #[test]
    fn no_properties_are_no_properties() {
        assert_eq!(to_send(&MessageProperties::default()), None);
    }
}
