//! The reason codes of MQTT 5 in words.

use rumqttc_v5::{ConnectReturnCode, SubscribeReasonCode};

/// What a reason code says. The same number means the same in all packets.
pub(super) const fn words(code: u8) -> &'static str {
    match code {
        0x80 => "no reason given",
        0x81 => "it could not read a packet",
        0x82 => "a packet broke the protocol",
        0x83 => "its implementation does not accept it",
        0x84 => "it does not speak MQTT 5",
        0x85 => "it does not accept the client id",
        0x86 => "the user name or the password is wrong",
        0x87 => "not authorised",
        0x88 => "it is not available",
        0x89 => "it is busy",
        0x8A => "the client is banned",
        0x8B => "it is shutting down",
        0x8C => "it does not accept the authentication method",
        0x8D => "nothing was heard of the client for too long",
        0x8E => "another client with the same client id took the session over",
        0x8F => "it does not accept the topic filter",
        0x90 => "it does not accept the topic",
        0x91 => "the packet id is in use",
        0x92 => "the packet id is not known",
        0x93 => "more messages were sent than it takes at once",
        0x94 => "it does not accept a topic alias",
        0x95 => "a packet is too large",
        0x96 => "messages come too fast",
        0x97 => "a quota is exceeded",
        0x98 => "an administrator wants it so",
        0x99 => "the payload is not of the format it is said to be",
        0x9A => "it does not keep messages for later subscribers",
        0x9B => "it does not support the quality of service",
        0x9C | 0x9D => "another server is to be used",
        0x9E => "it does not support shared subscriptions",
        0x9F => "connections are made too fast",
        0xA0 => "the connection lasted as long as it may",
        0xA1 => "it does not support subscription identifiers",
        0xA2 => "it does not support wildcards",
        _ => "for an unknown reason",
    }
}

/// Why a client was not let in.
pub(super) const fn connect(code: ConnectReturnCode) -> &'static str {
    match code {
        ConnectReturnCode::MalformedPacket => words(0x81),
        ConnectReturnCode::ProtocolError => words(0x82),
        ConnectReturnCode::ImplementationSpecificError => words(0x83),
        ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion => {
            words(0x84)
        }
        ConnectReturnCode::BadClientId | ConnectReturnCode::ClientIdentifierNotValid => words(0x85),
        ConnectReturnCode::BadUserNamePassword => words(0x86),
        ConnectReturnCode::NotAuthorized => "not authorised (check user name and password)",
        ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::ServerUnavailable => words(0x88),
        ConnectReturnCode::ServerBusy => words(0x89),
        ConnectReturnCode::Banned => words(0x8A),
        ConnectReturnCode::BadAuthenticationMethod => words(0x8C),
        ConnectReturnCode::TopicNameInvalid => words(0x90),
        ConnectReturnCode::PacketTooLarge => words(0x95),
        ConnectReturnCode::QuotaExceeded => words(0x97),
        ConnectReturnCode::PayloadFormatInvalid => words(0x99),
        ConnectReturnCode::RetainNotSupported => words(0x9A),
        ConnectReturnCode::QoSNotSupported => words(0x9B),
        ConnectReturnCode::UseAnotherServer | ConnectReturnCode::ServerMoved => words(0x9C),
        ConnectReturnCode::ConnectionRateExceeded => words(0x9F),
        ConnectReturnCode::Success | ConnectReturnCode::UnspecifiedError => words(0x80),
    }
}

/// Why a subscription was refused.
pub(super) const fn subscribe(code: SubscribeReasonCode) -> &'static str {
    match code {
        SubscribeReasonCode::ImplementationSpecific => words(0x83),
        SubscribeReasonCode::NotAuthorized => words(0x87),
        SubscribeReasonCode::TopicFilterInvalid => words(0x8F),
        SubscribeReasonCode::PkidInUse => words(0x91),
        SubscribeReasonCode::QuotaExceeded => words(0x97),
        SubscribeReasonCode::SharedSubscriptionsNotSupported => words(0x9E),
        SubscribeReasonCode::SubscriptionIdNotSupported => words(0xA1),
        SubscribeReasonCode::WildcardSubscriptionsNotSupported => words(0xA2),
        SubscribeReasonCode::Success(_) | SubscribeReasonCode::Failure | SubscribeReasonCode::Unspecified => {
            words(0x80)
        }
    }
}
