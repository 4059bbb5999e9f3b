//! A manager that speaks just enough of the runner protocol to get code into a runner.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::within;

const WELCOME: u8 = 0x02;
const ASSIGN: u8 = 0x03;
const FILE: u8 = 0x04;
const LOAD: u8 = 0x06;

/// Listens for runners.
pub(crate) struct Manager {
    listener: TcpListener,
}

impl Manager {
    /// Listens on a free port of an address.
    pub(crate) async fn listen(address: std::net::IpAddr) -> Self {
        Self {
            listener: TcpListener::bind((address, 0)).await.unwrap(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// The next runner that dials in, with the head of its HELLO.
    pub(crate) async fn dialled(&self) -> (Session, Value) {
        within("a runner dials in", async {
            let (stream, _) = self.listener.accept().await.unwrap();
            let mut session = Session { stream };
            let hello = session.read_head().await;
            (session, hello)
        })
        .await
    }
}

/// A runner's connection.
pub(crate) struct Session {
    stream: TcpStream,
}

impl Session {
    async fn read_head(&mut self) -> Value {
        let length = self.stream.read_u32().await.unwrap();
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut frame).await.unwrap();
        let head = usize::from(u16::from_be_bytes([frame[6], frame[7]]));
        serde_json::from_slice(&frame[8..8 + head]).unwrap()
    }

    async fn send(&mut self, kind: u8, head: &Value, body: &[u8]) {
        let head = serde_json::to_vec(head).unwrap();
        let mut frame = Vec::new();
        frame.extend(u32::try_from(8 + head.len() + body.len()).unwrap().to_be_bytes());
        frame.extend([kind, 0]);
        frame.extend(0_u32.to_be_bytes());
        frame.extend(u16::try_from(head.len()).unwrap().to_be_bytes());
        frame.extend(head);
        frame.extend(body);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Has the runner import a module.
    pub(crate) async fn import(&mut self, module: &str) {
        let id = uuid::Uuid::now_v7().to_string();
        self.send(
            WELCOME,
            &json!({"protocol": 1, "runnerId": id, "credit": 262_144}),
            b"",
        )
        .await;
        let assign = json!({
            "job": {"id": id, "name": "test"}, "version": {"id": id, "name": "1.0.0"}, "main": "./main.mjs",
            "files": 1, "bytes": module.len(),
            "limits": {"concurrency": 1, "timeoutMs": 60_000, "bufferedBodyBytes": 1024},
        });
        self.send(ASSIGN, &assign, b"{}").await;
        let file = json!({"path": "main.mjs", "size": module.len(), "executable": false});
        self.send(FILE, &file, module.as_bytes()).await;
        self.send(LOAD, &json!({}), b"").await;
    }
}
