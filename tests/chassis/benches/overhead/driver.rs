//! Calls to a server, over `h2` alone: what they cost is not measured, but takes time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;
use prost::Message;
use tokio::net::TcpStream;

use super::echo;

/// Makes `calls` calls to the server at `address`, so many at a time, on one connection.
pub(crate) fn calls(address: &str, calls: usize, concurrency: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.expect("a server");
        stream.set_nodelay(true).expect("a TCP stream");
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        let message = message();
        let left = Arc::new(AtomicUsize::new(calls));
        let callers = (0..concurrency).map(|_| {
            let (sender, message, left) = (sender.clone(), message.clone(), Arc::clone(&left));
            tokio::spawn(call_until_done(sender, message, left))
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.expect("no call fails");
        }
    });
}

/// The request with its prefix.
fn message() -> Bytes {
    let payload = echo::payload().encode_to_vec();
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(payload.len() as u32);
    message.put_slice(&payload);
    message.freeze()
}

async fn call_until_done(mut sender: SendRequest<Bytes>, message: Bytes, left: Arc<AtomicUsize>) {
    let take = |left: usize| left.checked_sub(1);
    while left.fetch_update(Relaxed, Relaxed, take).is_ok() {
        sender = sender.ready().await.expect("a connection");
        let request = Request::post(format!("http://overhead{}", echo::PATH))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a valid request");
        let (response, mut stream) = sender.send_request(request, false).expect("sent");
        stream.send_data(message.clone(), true).expect("sent");
        let mut body = response.await.expect("a response").into_body();
        while let Some(data) = body.data().await {
            let length = data.expect("a message").len();
            let _ = body.flow_control().release_capacity(length);
        }
        let trailers = body.trailers().await.expect("an end").expect("trailers");
        assert_eq!(trailers["grpc-status"], "0");
    }
}
