//! A socket before the engine's that passes on, stands still, closes or answers itself.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// What happens to requests.
#[derive(Clone, Copy)]
pub enum Script {
    /// All are passed on.
    PassOn,
    /// From the first with this in its path on, nothing goes through.
    FreezeAt(&'static str),
    /// At the first with this in its path all is closed for ever.
    CloseAt(&'static str),
    /// Those with this in their path are answered so.
    Answer(&'static str, u16, &'static str),
}

/// The socket.
pub struct Proxy {
    address: String,
    frozen: Arc<AtomicBool>,
    _folder: TempDir,
}

impl Proxy {
    pub fn start(engine: &str, script: Script) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let engine = engine.trim_start_matches("unix://").to_owned();
        let frozen = Arc::new(AtomicBool::new(false));
        let closed = Arc::new(AtomicBool::new(false));
        let shared = frozen.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let (engine, frozen, closed) = (engine.clone(), shared.clone(), closed.clone());
                thread::spawn(move || serve(client, &engine, script, &frozen, &closed));
            }
        });
        Self {
            address: format!("unix://{}", path.display()),
            frozen,
            _folder: folder,
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// From now on nothing goes through.
    pub fn freeze(&mut self) {
        self.frozen.store(true, Ordering::SeqCst);
    }
}

fn serve(
    mut client: UnixStream,
    engine: &str,
    script: Script,
    frozen: &Arc<AtomicBool>,
    closed: &AtomicBool,
) {
    if closed.load(Ordering::SeqCst) {
        return;
    }
    let engine = UnixStream::connect(engine).expect("the engine is there");
    let mut answers = engine.try_clone().expect("a socket");
    let mut to_client = client.try_clone().expect("a socket");
    let still = frozen.clone();
    thread::spawn(move || {
        let mut bytes = [0; 64 << 10];
        while let Ok(count @ 1..) = answers.read(&mut bytes) {
            while still.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(10));
            }
            if to_client.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
        let _ = to_client.shutdown(Shutdown::Write);
    });
    let mut engine = engine;
    let mut bytes = [0; 64 << 10];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        let head = text.lines().next().unwrap_or_default();
        match script {
            Script::Answer(path, status, body) if head.contains(path) => {
                let answer = format!(
                    "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = client.write_all(answer.as_bytes());
                return;
            }
            Script::CloseAt(path) if head.contains(path) => {
                closed.store(true, Ordering::SeqCst);
                let _ = engine.shutdown(Shutdown::Both);
                return;
            }
            Script::FreezeAt(path) if head.contains(path) => {
                frozen.store(true, Ordering::SeqCst);
            }
            _ => {}
        }
        while frozen.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(10));
        }
        if engine.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
    let _ = engine.shutdown(Shutdown::Write);
}
