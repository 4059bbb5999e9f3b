//! What a function gets to see of a request.

use jobber_actors::trace::TraceState;

use super::{TestGateway, header, http, read_all, text};

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    let fields = "content-length: 2\r\ncontent-type: application/json\r\naccept: a\r\nAccept: b\r\n";
    client.request("POST", "/f/7%2F8?x=1&Y=%20", fields).await;
    client.send("{}").await;
    let mut call = gateway.call().await;
    assert_eq!(read_all(&mut call.body).await, "{}");
    let request = http(&call);
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/f/7%2F8?x=1&Y=%20")
    );
    assert_eq!(
        (&*request.scheme, request.authority.as_str()),
        ("http", "example.org")
    );
    assert_eq!(request.params.get("id").map(String::as_str), Some("7/8"));
    assert_eq!(request.size, Some(2));
    assert_eq!(request.ip, client.address().ip());
    assert_eq!(header(request, "accept"), ["a", "b"]);
    assert_eq!(call.attempt, 1);
    call.reply.answer(text("ok"));
    assert_eq!(client.answer().await.text(), "ok");
}

#[tokio::test]
async fn a_method_may_be_any_token() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    for method in ["PROPFIND", "M-SEARCH", "PURGE"] {
        client.request(method, "/f", "").await;
        let call = gateway.call().await;
        assert_eq!(http(&call).method, method);
        call.reply.answer(text("ok"));
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn fields_of_the_connection_are_not_passed_on() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    let fields = "connection: keep-alive, X-Hop\r\nx-hop: 1\r\nte: trailers\r\nproxy-authorization: x\r\n\
                  x-forwarded-for: 192.0.2.1\r\nx-forwarded-host: evil.example\r\nforwarded: for=192.0.2.1\r\nx-stays: 1\r\n";
    client.request("GET", "/f", fields).await;
    let call = gateway.call().await;
    let names: Vec<&str> = http(&call)
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    for gone in [
        "connection",
        "x-hop",
        "te",
        "proxy-authorization",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
    ] {
        assert!(!names.contains(&gone), "{gone}");
    }
    assert!(names.contains(&"x-stays") && names.contains(&"host"));
    assert_eq!(
        (http(&call).ip, http(&call).authority.as_str()),
        (client.address().ip(), "example.org")
    );
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let mut gateway = TestGateway::with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    });
    let mut client = gateway.connect().await;
    let fields = "x-forwarded-for: 203.0.113.5, 192.0.2.1\r\nx-forwarded-proto: https\r\nx-forwarded-host: shop.example\r\n";
    client.request("GET", "/f", fields).await;
    let call = gateway.call().await;
    let request = http(&call);
    assert_eq!(
        request.ip.to_string(),
        "192.0.2.1",
        "the address that the proxy saw, not the one the client wrote"
    );
    assert_eq!(
        (&*request.scheme, request.authority.as_str()),
        ("https", "shop.example")
    );
    assert_eq!(header(request, "x-forwarded-for"), ["203.0.113.5, 192.0.2.1"]);
}

#[tokio::test]
async fn a_full_url_as_target_names_the_host() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "http://other.example:81/f?x=1", "").await;
    let call = gateway.call().await;
    assert_eq!(
        (http(&call).authority.as_str(), http(&call).target.as_str()),
        ("other.example:81", "/f?x=1")
    );
}

#[tokio::test]
async fn an_old_client_without_a_host_is_served() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.send("GET /f HTTP/1.0\r\n\r\n").await;
    let call = gateway.call().await;
    assert_eq!(http(&call).authority, gateway.address().to_string());
    call.reply.answer(text("ok"));
    assert_eq!(client.answer().await.text(), "ok");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn an_offer_of_http2_is_passed_over() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client
        .request(
            "GET",
            "/f",
            "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
        )
        .await;
    let call = gateway.call().await;
    assert!(header(http(&call), "upgrade").is_empty() && header(http(&call), "http2-settings").is_empty());
    call.reply.answer(text("ok"));
    let answer = client.answer().await;
    assert_eq!(
        (answer.text(), answer.header("connection")),
        ("ok", Some("close"))
    );
}

#[tokio::test]
async fn the_trace_that_a_client_names_goes_on() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    let fields = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\r\n\
                  tracestate: a=1\r\ntracestate: b=2\r\nx-stays: 1\r\n";
    client.request("GET", "/f", fields).await;
    let call = gateway.call().await;
    assert_eq!(call.trace.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        call.trace.parent.map(|span| span.to_string()).as_deref(),
        Some("00f067aa0ba902b7")
    );
    assert!(!call.trace.sampled);
    assert_eq!(call.trace.state.as_ref().map(TraceState::as_str), Some("a=1,b=2"));
    let request = http(&call);
    assert!(
        header(request, "traceparent").is_empty() && header(request, "tracestate").is_empty(),
        "the function gets those of the invocation"
    );
    assert_eq!(header(request, "x-stays"), ["1"]);
}

#[tokio::test]
async fn a_trace_that_is_not_right_is_not_believed_and_a_new_one_begins() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    let right = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for fields in [
        String::new(),
        format!("traceparent: {}\r\n", right.to_uppercase()),
        format!("traceparent: {}\r\n", right.replacen("00", "ff", 1)),
        format!("traceparent: {right}\r\ntraceparent: {right}\r\n"),
        format!("traceparent: {right}\u{e9}\r\n"),
        "tracestate: a=1\r\n".to_owned(),
    ] {
        client.request("GET", "/f", &fields).await;
        let call = gateway.call().await;
        assert_eq!((call.trace.parent, &call.trace.state), (None, &None), "{fields}");
        assert_ne!(call.trace.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(call.trace.sampled);
        assert!(header(http(&call), "traceparent").is_empty());
        call.reply.answer(text("ok"));
        assert_eq!(client.answer().await.text(), "ok");
    }
}

#[tokio::test]
async fn where_no_calls_are_kept_a_preference_for_later_is_passed_over() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    for fields in ["prefer: respond-async\r\n", "x-jobber-async: 1\r\n"] {
        client.request("GET", "/f", fields).await;
        gateway.call().await.reply.answer(text("now"));
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("preference-applied")), (200, None));
        assert_eq!(answer.text(), "now");
    }
}
