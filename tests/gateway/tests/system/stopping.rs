//! What becomes of clients when the gateway is told to stop.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::process::{PATIENCE, Process, Role, free_address};
use crate::support::system;
use crate::websocket::{hear, open_at};

const SOCKETS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_conversation_is_closed_as_going_away_before_the_process_ends() {
    let system = system().await;
    let own = free_address();
    let grpc = system.echo.address();
    let mut gateway = Process::start(Role::Gateway { own, grpc });
    let listens = async {
        while TcpStream::connect(own).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, listens).await.expect("it listens");
    let talk = async {
        let mut sockets = Vec::new();
        for _ in 0..SOCKETS {
            let socket = open_at(own, "/v1/messages:chat", "").await;
            let mut socket = socket.expect("a socket");
            let said = Message::text("{\"text\":\"one\"}");
            socket.send(said).await.expect("sent");
            let heard = hear(&mut socket).await;
            assert_eq!(heard, json!({"result": {"text": "one"}}));
            sockets.push(socket);
        }
        gateway.signal("TERM");
        for socket in &mut sockets {
            assert_eq!(hear(socket).await, json!({"closed": 1001}));
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    timeout(PATIENCE, talk).await.expect("no socket hangs");
    assert!(gateway.ended().await.success());
}
