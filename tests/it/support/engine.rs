//! A scripted Docker engine for what is decided before an engine does anything: it has one volume of
//! whoever asks, and keeps what it was told to remove.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const NOTHING: &str = "[]";
const VERSION: &str = r#"{"Version": "20.10.24", "ApiVersion": "1.41"}"#;

/// An engine on a port, as long as the test runs.
pub struct ScriptedEngine {
    /// What `DOCKER_HOST` is to be.
    pub address: String,
    removed: Arc<Mutex<Vec<String>>>,
}

impl ScriptedEngine {
    /// Listens on this address.
    pub fn on(host: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let removed = Arc::new(Mutex::new(Vec::new()));
        let kept = removed.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let removed = kept.clone();
                thread::spawn(move || serve(stream, &removed));
            }
        });
        let address = format!("tcp://{host}:{port}");
        Self { address, removed }
    }

    /// How many volumes it was told to remove.
    pub fn removed(&self) -> usize {
        self.removed.lock().expect("nobody panicked").len()
    }
}

/// Answers requests until the client goes; none of them has a body.
fn serve(stream: TcpStream, removed: &Mutex<Vec<String>>) {
    let mut answers = stream.try_clone().expect("a second handle");
    let mut request = String::new();
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        if request.is_empty() {
            request = line;
            continue;
        }
        if !line.is_empty() {
            continue;
        }
        let (status, body) = answer(&std::mem::take(&mut request), removed);
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(request: &str, removed: &Mutex<Vec<String>>) -> (&'static str, String) {
    if request.starts_with("DELETE ") && request.contains("/volumes/") {
        let mut removed = removed.lock().expect("nobody panicked");
        removed.push(request.to_owned());
        return ("200 OK", String::new());
    }
    let body = match request {
        it if it.contains("/version") => VERSION.to_owned(),
        it if it.contains("/containers/json") || it.contains("/networks") => NOTHING.to_owned(),
        it if it.contains("/volumes") => volumes(it),
        _ => return ("404 Not Found", r#"{"message": "not scripted"}"#.to_owned()),
    };
    ("200 OK", body)
}

/// The volume of Redis in the workspace that is asked for.
fn volumes(request: &str) -> String {
    let workspace = request.split("dev.msvc.project%3D").nth(1);
    let workspace = workspace.and_then(|rest| rest.split('%').next());
    let workspace = workspace.expect("only what is the workspace's is asked for");
    format!(
        r#"{{"Volumes": [{{"Name": "{workspace}-redis", "Driver": "local", "Mountpoint": "/nowhere",
            "Labels": {{"dev.msvc.resource": "redis"}}, "Scope": "local", "Options": {{}}}}]}}"#
    )
}
