//! Credentials do not get into the record.

use std::sync::Arc;

use crate::invocation::{HttpInput, Input, MqttInput, ResponseHead};

/// What stands for a credential.
pub const REDACTED: &str = "[redacted]";

/// Names, in lower case, of which a part says that the value is a credential.
const TELLING: [&str; 9] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "passwd",
    "api-key",
    "apikey",
    "signature",
];

/// Whether what has this name is a credential.
fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    TELLING.iter().any(|part| name.contains(part))
}

/// The input without the values of credentials.
#[must_use]
pub fn input(input: Input) -> Input {
    match input {
        Input::Http { mut http } => {
            request(&mut http);
            Input::Http { http }
        }
        Input::Mqtt { mqtt } => Input::Mqtt { mqtt: message(mqtt) },
        Input::Schedule { schedule } => Input::Schedule { schedule },
    }
}

/// The head of an answer without the values of credentials.
pub(super) fn response(mut head: ResponseHead) -> ResponseHead {
    pairs(&mut head.headers);
    head
}

fn request(http: &mut HttpInput) {
    pairs(&mut http.headers);
    if let Some((path, query)) = http.target.split_once('?') {
        http.target = format!("{path}?{}", redacted_query(query));
    }
    for (name, value) in &mut http.params {
        if is_credential(name) {
            REDACTED.clone_into(value);
        }
    }
}

fn message(mqtt: Arc<MqttInput>) -> Arc<MqttInput> {
    let properties = &mqtt.properties.user_properties;
    if !properties.iter().any(|(name, _)| is_credential(name)) {
        return mqtt;
    }
    let mut mqtt = (*mqtt).clone();
    pairs(&mut mqtt.properties.user_properties);
    Arc::new(mqtt)
}

fn pairs(pairs: &mut [(String, String)]) {
    for (name, value) in pairs {
        if is_credential(name) {
            REDACTED.clone_into(value);
        }
    }
}

fn redacted_query(query: &str) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((name, _)) if is_credential(name) => format!("{name}={REDACTED}"),
        _ => part.to_owned(),
    };
    query.split('&').map(part).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn credentials_are_redacted_wherever_a_request_can_have_them() {
        let http = HttpInput {
            method: "GET".into(),
            target: "/orders?page=2&access_token=abc&Signature=x".into(),
            scheme: "http".into(),
            authority: "shop".into(),
            headers: [
                ("accept", "text/html"),
                ("Authorization", "Bearer abc"),
                ("cookie", "a=b"),
                ("x-api-key", "k"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            params: BTreeMap::from([
                ("id".to_owned(), "7".to_owned()),
                ("resetToken".to_owned(), "t".to_owned()),
            ]),
            ip: [127, 0, 0, 1].into(),
            size: None,
        };
        let Input::Http { http } = input(Input::Http { http: Box::new(http) }) else {
            panic!("a request stays one");
        };
        assert_eq!(
            http.target,
            "/orders?page=2&access_token=[redacted]&Signature=[redacted]"
        );
        let values: Vec<&str> = http.headers.iter().map(|(_, value)| &**value).collect();
        assert_eq!(values, ["text/html", REDACTED, REDACTED, REDACTED]);
        assert_eq!(http.params["id"], "7");
        assert_eq!(http.params["resetToken"], REDACTED);
    }

    #[test]
    fn what_an_answer_sets_as_cookies_is_redacted() {
        let head = response(ResponseHead {
            status: 200,
            headers: vec![
                ("Set-Cookie".into(), "session=1".into()),
                ("etag".into(), "x".into()),
            ],
        });
        assert_eq!(head.headers[0].1, REDACTED);
        assert_eq!(head.headers[1].1, "x");
    }
}
