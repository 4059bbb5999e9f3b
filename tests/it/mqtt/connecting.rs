//! Reaching a broker, and being told why not.

use std::process::Command;

use jobber::child::free_port;
use jobber::mosquitto::MosquittoSettings;
use jobber_actors::manifest::{MqttProtocol, MqttVersion};
use jobber_actors::ports::{BrokerSettings, MqttEnd, SessionSettings};

use super::{ONCE, texts};
use crate::support::mqtt::{Receiver, publication, send};
use crate::support::{Authority, Broker};

in_both_versions![
    a_password_is_checked,
    what_can_not_be_reached_is_told_with_its_address,
    tls_trusts_the_given_authority_and_no_other,
    a_certificate_for_another_host_is_refused,
    websockets_carry_messages,
    websockets_over_tls_carry_messages,
    a_port_with_another_protocol_is_told,
];

/// More than one frame of a WebSocket. Mosquitto takes a tenth of a second for each 4 KiB that comes this way.
const WEBSOCKET_BYTES: usize = 20_000;

/// Why there is no connection.
async fn failure(settings: SessionSettings) -> String {
    let mut receiver = Receiver::new(settings);
    receiver.begin(usize::MAX);
    match receiver.end().await {
        MqttEnd::Failed(reason) => reason,
        end => panic!("it should fail: {end:?}"),
    }
}

/// Sends messages to itself, one of them with so many bytes.
async fn carries_messages(settings: &SessionSettings, bytes: usize) {
    let mut receiver = Receiver::connected(settings.clone()).await;
    receiver.subscribe(&["a"], ONCE).await;
    let sender = SessionSettings {
        client_id: "sender".to_owned(),
        ..settings.clone()
    };
    let large = "x".repeat(bytes);
    let sent = vec![publication("a", "1", ONCE), publication("a", large.clone(), ONCE)];
    send(sender, sent).await;
    let messages = receiver.messages(2).await;
    assert_eq!(texts(&messages), ["1", &large]);
    receiver.acknowledge(&messages).await;
    receiver.leave().await;
}

fn with(settings: SessionSettings, change: impl FnOnce(&mut BrokerSettings)) -> SessionSettings {
    let mut settings = settings;
    change(&mut settings.broker);
    settings
}

async fn a_password_is_checked(version: MqttVersion) {
    let broker = Broker::configured(|folder, _| {
        let file = folder.join("passwords");
        let made = Command::new("mosquitto_passwd")
            .args(["-b", "-c"])
            .arg(&file)
            .args(["alice", "secret"])
            .status()
            .unwrap();
        assert!(made.success());
        MosquittoSettings {
            anonymous: false,
            lines: vec![format!("password_file {}", file.display())],
            ..MosquittoSettings::default()
        }
    })
    .await;
    let as_alice = |password: Option<&str>| {
        let password = password.map(|password| password.to_owned().into());
        with(broker.session(version, "receiver"), |broker| {
            (broker.username, broker.password) = (Some("alice".to_owned()), password);
        })
    };
    let refused = "the broker refused the client: not authorised (check user name and password)";
    assert_eq!(failure(as_alice(Some("wrong"))).await, refused);
    assert_eq!(failure(as_alice(None)).await, refused);
    assert_eq!(failure(broker.session(version, "receiver")).await, refused);
    carries_messages(&as_alice(Some("secret")), 1_000).await;
}

async fn what_can_not_be_reached_is_told_with_its_address(version: MqttVersion) {
    let broker = Broker::start().await;
    let port = free_port().unwrap();
    let refused = with(broker.session(version, "receiver"), |broker| broker.port = port);
    assert_eq!(
        failure(refused).await,
        format!("nothing listens on 127.0.0.1:{port} (connection refused)")
    );
    let unknown = with(broker.session(version, "receiver"), |broker| {
        broker.host = "no-such-host.invalid".to_owned();
    });
    let reason = failure(unknown).await;
    assert!(
        reason.starts_with("the host name `no-such-host.invalid` can not be resolved"),
        "{reason}"
    );
}

/// A broker with a second listener for TLS, whose certificate is for `host`.
async fn secured(host: &str, websockets: bool) -> (Broker, Authority) {
    let authority = Authority::new();
    let broker = Broker::configured(|folder, port| {
        authority.certify(host, folder);
        let mut lines = vec![
            format!("listener {port} 127.0.0.1"),
            "socket_domain ipv4".to_owned(),
            format!("certfile {}", folder.join("server.pem").display()),
            format!("keyfile {}", folder.join("server.key").display()),
        ];
        if websockets {
            lines.push("protocol websockets".to_owned());
        }
        MosquittoSettings {
            lines,
            ..MosquittoSettings::default()
        }
    })
    .await;
    (broker, authority)
}

fn over(
    broker: &Broker,
    version: MqttVersion,
    protocol: MqttProtocol,
    ca: Option<String>,
) -> SessionSettings {
    with(broker.session(version, "receiver"), |settings| {
        settings.protocol = protocol;
        settings.port = broker.second_port;
        settings.ca = ca;
    })
}

async fn tls_trusts_the_given_authority_and_no_other(version: MqttVersion) {
    let (broker, authority) = secured("127.0.0.1", false).await;
    let trusting = |ca| over(&broker, version, MqttProtocol::Mqtts, ca);
    // One of several certificates is enough.
    let several = Authority::new().pem() + &authority.pem();
    carries_messages(&trusting(Some(several)), 1_000_000).await;

    for untrusting in [None, Some(Authority::new().pem())] {
        let reason = failure(trusting(untrusting)).await;
        assert!(
            reason.starts_with("the broker's certificate is not trusted"),
            "{reason}"
        );
    }
    let reason = failure(trusting(Some("no certificate".to_owned()))).await;
    assert!(reason.starts_with("`ca` holds no certificate"), "{reason}");
}

async fn a_certificate_for_another_host_is_refused(version: MqttVersion) {
    let (broker, authority) = secured("broker.example.org", false).await;
    let settings = over(&broker, version, MqttProtocol::Mqtts, Some(authority.pem()));
    let reason = failure(settings).await;
    assert!(
        reason.starts_with("the broker's certificate is for another host"),
        "{reason}"
    );
}

async fn websockets_carry_messages(version: MqttVersion) {
    let broker = Broker::configured(|_, port| MosquittoSettings {
        lines: vec![
            format!("listener {port} 127.0.0.1"),
            "socket_domain ipv4".to_owned(),
            "protocol websockets".to_owned(),
        ],
        ..MosquittoSettings::default()
    })
    .await;
    carries_messages(&over(&broker, version, MqttProtocol::Ws, None), WEBSOCKET_BYTES).await;
}

async fn websockets_over_tls_carry_messages(version: MqttVersion) {
    let (broker, authority) = secured("localhost", true).await;
    let settings = over(&broker, version, MqttProtocol::Wss, Some(authority.pem()));
    let settings = with(settings, |broker| broker.host = "localhost".to_owned());
    carries_messages(&settings, WEBSOCKET_BYTES).await;
}

async fn a_port_with_another_protocol_is_told(version: MqttVersion) {
    let broker = Broker::start().await;
    let told = async |protocol| {
        failure(with(broker.session(version, "receiver"), |broker| {
            broker.protocol = protocol;
            broker.ca = Some(Authority::new().pem());
        }))
        .await
    };
    let reason = told(MqttProtocol::Mqtts).await;
    assert!(
        reason.starts_with("the broker closed the connection while TLS was being agreed on"),
        "{reason}"
    );
    let reason = told(MqttProtocol::Ws).await;
    assert!(reason.starts_with("WebSocket: "), "{reason}");
}
