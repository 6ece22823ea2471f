//! `msvc` on a terminal, for what it asks a person alone.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::skip;

/// Longer than anything here takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a command on a terminal of its own, as `script` makes one, and presses the key that `decide`
/// gives once it has asked, after whatever else that does; its exit code and all that the terminal got.
/// `None` where there is no `script`.
pub fn answer(
    command: &Command,
    question: &str,
    decide: impl FnOnce() -> &'static str,
) -> Option<(Option<i32>, String)> {
    if which::which("script").is_err() {
        skip("no `script` (util-linux) on PATH, which makes a terminal");
        return None;
    }
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<&str> = words.map(|it| it.to_str().expect("UTF-8")).collect();
    let line = format!("exec {}", words.join(" "));
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--flush", "--return", "--command", &line])
        .arg("/dev/null")
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(folder) = command.get_current_dir() {
        script.current_dir(folder);
    }
    let mut child = script.spawn().expect("script starts");
    let mut keyboard = child.stdin.take().expect("piped");
    let mut screen = child.stdout.take().expect("piped");
    let (sender, chunks) = mpsc::channel();
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = screen.read(&mut chunk) {
            let _ = sender.send(chunk[..count].to_vec());
        }
    });
    let mut shown = Vec::new();
    let mut decide = Some(decide);
    loop {
        match chunks.recv_timeout(PATIENCE) {
            Ok(chunk) => shown.extend(chunk),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                panic!("no end after {:?}", String::from_utf8_lossy(&shown));
            }
        }
        if String::from_utf8_lossy(&shown).contains(question)
            && let Some(decide) = decide.take()
        {
            let key = decide();
            keyboard.write_all(key.as_bytes()).expect("it listens");
        }
    }
    let code = child.wait().expect("it was started").code();
    Some((code, String::from_utf8_lossy(&shown).into_owned()))
}
