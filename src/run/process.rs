//! One process of a service: started with the addresses that it is to have, its lines read, asked to
//! stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

/// How long after its end what a process said last is waited for: what it started may hold its
/// output open for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The longest line in bytes; a longer one is shown as several.
const LONGEST_LINE: u64 = 64 << 10;

/// What a process is started with.
#[derive(Clone, Debug)]
pub struct Instance {
    /// `user-service`, and from the second on `user-service-2`.
    pub label: String,
    /// The service.
    pub service: String,
    /// The program.
    pub program: PathBuf,
    /// Where it is started: the service's folder.
    pub folder: PathBuf,
    /// Where it serves gRPC.
    pub grpc: SocketAddr,
    /// Where it serves health and metrics.
    pub admin: SocketAddr,
    /// What it is told of its surroundings: variables with their values.
    pub variables: Vec<(String, String)>,
    /// Whether its logs may be coloured.
    pub color: bool,
}

/// What happens to processes; each by the number of its instance.
#[derive(Debug)]
pub enum Event {
    /// A line of its output.
    Line(usize, String),
    /// It answers that it is ready.
    Ready(usize),
    /// It has ended.
    Exited(usize, ExitStatus),
}

/// Starts a process; its output, readiness and end are told to `events`. A full channel makes the
/// process wait when it says more.
///
/// # Errors
/// When the program does not start.
pub fn start(number: usize, instance: &Instance, events: &Sender<Event>) -> std::io::Result<u32> {
    let mut command = Command::new(&instance.program);
    command
        .current_dir(&instance.folder)
        .env("APP_SERVER__HOST", instance.grpc.ip().to_string())
        .env("APP_SERVER__PORT", instance.grpc.port().to_string())
        .env("APP_ADMIN__PORT", instance.admin.port().to_string())
        .env("APP_SERVER__STOP_ON_STDIN_CLOSE", "true")
        .env(
            "APP_LOG__COLOR",
            if instance.color { "always" } else { "never" },
        )
        // The end that is held here closes with this process, however it ends.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C on the terminal is for this process alone, which then asks the others.
        .process_group(0);
    for (name, value) in &instance.variables {
        command.env(name, value);
    }
    let mut child = command.spawn()?;
    let pid = child.id().unwrap_or_default();
    let outputs = (child.stdout.take(), child.stderr.take());
    let readers = [
        outputs
            .0
            .map(|it| tokio::spawn(read_lines(number, it, events.clone()))),
        outputs
            .1
            .map(|it| tokio::spawn(read_lines(number, it, events.clone()))),
    ];
    let waiting = tokio::spawn(wait_until_ready(number, instance.admin, events.clone()));
    let events = events.clone();
    tokio::spawn(async move {
        let status = wait(&mut child).await;
        waiting.abort();
        // What it started and left behind would hold its ports and its output.
        signal(pid, true);
        // What it said last comes before its end.
        let _ = timeout(LAST_WORDS, async {
            for reader in readers.into_iter().flatten() {
                let _ = reader.await;
            }
        })
        .await;
        if let Some(status) = status {
            let _ = events.send(Event::Exited(number, status)).await;
        }
    });
    Ok(pid)
}

/// Asks a process, and what it started, to stop; or ends it.
pub fn signal(pid: u32, at_once: bool) {
    let signal = if at_once { Signal::KILL } else { Signal::TERM };
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may be gone already.
        let _ = kill_process_group(pid, signal);
    }
}

async fn wait(child: &mut Child) -> Option<ExitStatus> {
    // `Child::wait` closes standard input, which would ask the service to stop.
    let stdin = child.stdin.take();
    let status = child.wait().await.ok();
    drop(stdin);
    status
}

async fn read_lines(number: usize, output: impl AsyncRead + Unpin, events: Sender<Event>) {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut reader)
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut line)
        .await
    {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if events.send(Event::Line(number, text)).await.is_err() {
            return;
        }
    }
}

/// Asks `/readyz` until the answer is 200.
async fn wait_until_ready(number: usize, admin: SocketAddr, events: Sender<Event>) {
    const INTERVAL: Duration = Duration::from_millis(25);
    const PATIENCE: Duration = Duration::from_secs(2);
    loop {
        let answer = timeout(PATIENCE, is_ready(admin)).await;
        if matches!(answer, Ok(Ok(true))) {
            let _ = events.send(Event::Ready(number)).await;
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn is_ready(admin: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    Ok(head.starts_with(b"HTTP/1.1 200") || head.starts_with(b"HTTP/1.0 200"))
}
