//! A collector on loopback, which reads what it is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::BOUND;

/// Encrypts a connection, or leaves it as it is.
#[derive(Clone)]
enum Cover {
    None,
    Tls(TlsAcceptor),
}

/// Longest line of a request's head.
const MOST_LINE: u64 = 8 * 1024;
/// Most bytes of a request's body.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// A span that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Exported {
    pub(crate) span: Span,
    pub(crate) tenant: Option<String>,
    resource: Vec<KeyValue>,
}

impl Exported {
    /// An attribute of the span, as text.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        text_of(&self.span.attributes, name)
    }

    /// An attribute of what it is a span of.
    pub(crate) fn resource(&self, name: &str) -> Option<String> {
        text_of(&self.resource, name)
    }
}

fn text_of(attributes: &[KeyValue], name: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(flag) => Some(flag.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

/// A collector.
pub(crate) struct Collector {
    scheme: &'static str,
    port: u16,
    arriving: mpsc::Receiver<Exported>,
    arrived: Vec<Exported>,
    requests: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Collector {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        Self::serving(true, Cover::None).await
    }

    /// One that takes everything over TLS, and the certificate (PEM) that it shows.
    pub(crate) async fn secured() -> (Self, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let cover = Cover::Tls(TlsAcceptor::from(Arc::new(config)));
        (Self::serving(true, cover).await, certificate.pem())
    }

    /// One that takes connections and never answers.
    pub(crate) async fn silent() -> Self {
        Self::serving(false, Cover::None).await
    }

    /// The address of one that is not there.
    pub(crate) fn gone() -> String {
        // Port 1 is privileged, and nobody listens there.
        "http://127.0.0.1:1".to_owned()
    }

    async fn serving(answers: bool, cover: Cover) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (arrives, arriving) = mpsc::channel(1024);
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let scheme = match cover {
            Cover::None => "http",
            Cover::Tls(_) => "https",
        };
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let (arrives, counter, cover) = (arrives.clone(), Arc::clone(&counter), cover.clone());
                connections.spawn(async move {
                    let _: Option<()> = match cover {
                        Cover::None => serve(connection, answers, &arrives, &counter).await,
                        Cover::Tls(tls) => match tls.accept(connection).await {
                            Ok(connection) => serve(connection, answers, &arrives, &counter).await,
                            Err(_) => None,
                        },
                    };
                });
            }
        });
        Self {
            scheme,
            port,
            arriving,
            arrived: Vec::new(),
            requests,
            _serving: serving,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// The span of this id, once it is there.
    pub(crate) async fn span(&mut self, id: &str) -> Exported {
        self.find(|exported| hex::encode(&exported.span.span_id) == id)
            .await
    }

    /// Whether the span of this id is there.
    pub(crate) fn has(&mut self, id: &str) -> bool {
        while let Ok(exported) = self.arriving.try_recv() {
            self.arrived.push(exported);
        }
        self.arrived
            .iter()
            .any(|exported| hex::encode(&exported.span.span_id) == id)
    }

    /// The first span that is like this, once it is there.
    pub(crate) async fn find(&mut self, is_it: impl Fn(&Exported) -> bool) -> Exported {
        if let Some(exported) = self.arrived.iter().find(|exported| is_it(exported)) {
            return exported.clone();
        }
        let waiting = async {
            loop {
                let exported = self.arriving.recv().await.unwrap();
                self.arrived.push(exported.clone());
                if is_it(&exported) {
                    return exported;
                }
            }
        };
        timeout(BOUND, waiting).await.expect("the span arrives")
    }
}

/// Serves one connection to its end.
async fn serve(
    connection: impl AsyncRead + AsyncWrite + Unpin,
    answers: bool,
    arrives: &mpsc::Sender<Exported>,
    requests: &AtomicUsize,
) -> Option<()> {
    let mut connection = BufReader::new(connection);
    loop {
        let (target, tenant, length) = head(&mut connection).await?;
        assert_eq!(target, "POST /v1/traces HTTP/1.1");
        assert!(length <= MOST_BODY);
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.ok()?;
        requests.fetch_add(1, Ordering::SeqCst);
        if !answers {
            // Until the client gives up.
            connection.read_exact(&mut [0]).await.ok()?;
        }
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        for exported in spans(request, tenant.as_deref()) {
            arrives.send(exported).await.ok()?;
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        connection.get_mut().write_all(answer).await.ok()?;
    }
}

/// Reads a head: its first line, the tenant that it names, and the length of the body.
async fn head(connection: &mut (impl AsyncBufRead + Unpin)) -> Option<(String, Option<String>, usize)> {
    let target = line(connection).await?;
    let (mut tenant, mut length, mut kind) = (None, 0, None);
    loop {
        let field = line(connection).await?;
        if field.is_empty() {
            assert_eq!(kind.as_deref(), Some("application/x-protobuf"));
            return Some((target, tenant, length));
        }
        let (name, value) = field.split_once(':').unwrap();
        match name.to_ascii_lowercase().as_str() {
            "x-tenant" => tenant = Some(value.trim().to_owned()),
            "content-length" => length = value.trim().parse().unwrap(),
            "content-type" => kind = Some(value.trim().to_owned()),
            _ => {}
        }
    }
}

async fn line(connection: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = String::new();
    #[expect(clippy::disallowed_methods, reason = "`take` bounds it")]
    let read = connection.take(MOST_LINE).read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

fn spans(request: ExportTraceServiceRequest, tenant: Option<&str>) -> Vec<Exported> {
    let mut all = Vec::new();
    for resource_spans in request.resource_spans {
        let resource = resource_spans.resource.unwrap_or_default().attributes;
        for span in resource_spans
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            all.push(Exported {
                span,
                tenant: tenant.map(ToOwned::to_owned),
                resource: resource.clone(),
            });
        }
    }
    all
}
