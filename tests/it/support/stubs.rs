//! Servers that are none: scripts of bytes, and a registry with canned answers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ports::free_port;

/// A listener whose connections are each handled by a function on a thread of its own.
pub struct RawServer {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl RawServer {
    /// Starts one on a free port.
    pub fn start(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stopped = Arc::new(AtomicBool::new(false));
        let handle = Arc::new(handle);
        let flag = Arc::clone(&stopped);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if flag.load(Ordering::Relaxed) {
                    return;
                }
                let handle = Arc::clone(&handle);
                std::thread::spawn(move || handle(stream));
            }
        });
        Self { address, stopped }
    }

    /// One that answers each connection with these bytes and then waits for its end.
    pub fn that_says(bytes: &'static [u8]) -> Self {
        Self::start(move |mut stream| {
            let _ = stream.write_all(bytes);
            let _ = stream.read_to_end(&mut Vec::new());
        })
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

/// A Consul agent that knows one service at one address, and some more by name.
pub fn consul(service: &'static str, port: u16, others: &'static [&'static str]) -> RawServer {
    RawServer::start(move |mut stream| {
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(length) if length > 0 => request.extend_from_slice(&buffer[..length]),
                _ => return,
            }
        }
        let request = String::from_utf8_lossy(&request);
        let path = request.split(' ').nth(1).unwrap_or_default();
        let body = if path == format!("/v1/health/service/{service}?passing") {
            serde_json::json!([{
                "Node": { "Address": "127.0.0.1" },
                "Service": { "Address": "", "Port": port },
            }])
        } else if path == "/v1/catalog/services" {
            let names = others.iter().chain([&service]);
            names
                .map(|name| (name.to_string(), serde_json::json!([])))
                .collect()
        } else {
            serde_json::json!([])
        };
        let body = body.to_string();
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
    })
}

/// A port on which nothing listens.
pub fn dead_port() -> u16 {
    free_port()
}
