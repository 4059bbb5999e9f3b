//! The first frame of a connection.

use std::time::Duration;

use bytes::BytesMut;
use jobber_kernel::testing::run_paused;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::protocol::{Flags, FrameKind, write_frame};
use crate::session::{HandshakeError, read_hello};

fn hello(head: &serde_json::Value) -> BytesMut {
    let mut bytes = BytesMut::new();
    write_frame(&mut bytes, FrameKind::Hello, Flags::NONE, 0, head, &[]).unwrap();
    bytes
}

async fn read(bytes: &[u8]) -> Result<crate::protocol::Hello, HandshakeError> {
    let (mut ours, mut theirs) = tokio::io::duplex(64 * 1024);
    theirs.write_all(bytes).await.unwrap();
    drop(theirs);
    read_hello(&mut ours).await
}

#[test]
fn a_hello_is_read_and_not_a_byte_more() {
    run_paused(async {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        theirs
            .write_all(&hello(&json!({ "protocol": 1, "token": "abc", "later": true })))
            .await
            .unwrap();
        theirs.write_all(b"next").await.unwrap();
        let hello = read_hello(&mut ours).await.unwrap();
        assert_eq!(hello.token, "abc");
        assert!(
            !format!("{hello:?}").contains("abc"),
            "a token is not written to a log"
        );
        let mut next = [0; 4];
        ours.read_exact(&mut next).await.unwrap();
        assert_eq!(&next, b"next");
    });
}

#[test]
fn a_hello_must_come_in_time_however_slowly_its_bytes_do() {
    run_paused(async {
        let began = Instant::now();
        assert!(matches!(read(b"").await, Err(HandshakeError::Ended)));
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        let bytes = hello(&json!({ "protocol": 1, "token": "abc" }));
        let trickle = async {
            for byte in bytes {
                theirs.write_all(&[byte]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            std::future::pending::<()>().await;
        };
        let refused = tokio::select! {
            read = read_hello(&mut ours) => read,
            () = trickle => unreachable!("it waits for ever"),
        };
        assert!(matches!(refused, Err(HandshakeError::TooSlow)));
        assert_eq!(began.elapsed(), Duration::from_secs(5));
    });
}

#[test]
fn what_is_no_hello_is_not_let_in() {
    run_paused(async {
        let large = hello(&json!({ "protocol": 1, "token": "x".repeat(5000) }));
        assert!(matches!(read(&large).await, Err(HandshakeError::TooLarge)));
        assert!(matches!(
            read(b"GET / HTTP/1.1\r\n").await,
            Err(HandshakeError::TooLarge)
        ));
        assert!(matches!(
            read(&[0, 0, 0, 3, 1, 0, 0]).await,
            Err(HandshakeError::Frame(_))
        ));
        assert!(matches!(
            read(&[0, 0, 0, 90, 1]).await,
            Err(HandshakeError::Ended)
        ));
        let other = hello(&json!({ "protocol": 2, "token": "abc" }));
        assert!(matches!(read(&other).await, Err(HandshakeError::Version(2))));
        let nameless = hello(&json!({ "protocol": 1 }));
        assert!(matches!(read(&nameless).await, Err(HandshakeError::Frame(_))));
        let mut ready = BytesMut::new();
        write_frame(&mut ready, FrameKind::Ready, Flags::NONE, 0, &json!({}), &[]).unwrap();
        assert!(matches!(
            read(&ready).await,
            Err(HandshakeError::NotHello("READY"))
        ));
    });
}
