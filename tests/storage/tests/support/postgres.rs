//! A real PostgreSQL: the newest of Debian's below `/usr/lib/postgresql`, or the one whose programs
//! are in `POSTGRES_BIN`. Without it these tests are skipped, except where `CI` is `true`: there they
//! fail. It refuses to run as root, so root's tests run it as `postgres`.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::free_port;

const PREFIX: &str = "storage-postgres-";

/// A server with its data.
#[derive(Debug)]
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

/// The server that tests share which only want a database; `None` when there is no PostgreSQL here.
pub(crate) fn shared() -> Option<&'static Postgres> {
    static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
    let start = || {
        // It ends with the thread that started it, so that is one that lasts.
        let (sender, started) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _ = sender.send(Postgres::start());
            loop {
                std::thread::park();
            }
        });
        started.recv().expect("the thread lives")
    };
    SHARED.get_or_init(start).as_ref()
}

impl Postgres {
    /// A new server that listens; `None` when there is no PostgreSQL here.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|_| Vec::new())
    }

    /// The same with settings, `name=value`, for which `prepare` may put files into the folder.
    pub(crate) fn start_with(prepare: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Some(programs) = programs() else {
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_ci, "in CI there must be a PostgreSQL: set POSTGRES_BIN");
            let text = "skipped: no PostgreSQL here (POSTGRES_BIN, or Debian's postgresql)\n";
            std::io::stderr().write_all(text.as_bytes()).expect("open");
            return None;
        };
        remove_what_the_dead_left();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let settings = prepare(&folder);
        if let Some((user, group)) = other_user() {
            let files = std::fs::read_dir(&folder).expect("readable").flatten();
            for path in files.map(|file| file.path()).chain([folder.clone()]) {
                std::os::unix::fs::chown(path, Some(user), Some(group)).expect("we are root");
            }
        }
        let mut server = Self {
            programs,
            folder,
            port: free_port(),
            settings,
            child: None,
        };
        let made = server
            .command("initdb")
            .args([
                "--auth=trust",
                "--username=postgres",
                "--no-sync",
                "--locale=C",
            ])
            .args(["--encoding=UTF8", "--pgdata"])
            .arg(server.folder.join("data"))
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("initdb runs").success());
        server.run();
        Some(server)
    }

    /// Where its database `name` is; an empty one that is made now.
    pub(crate) fn create(&self, name: &str) -> String {
        let port = self.port.to_string();
        let created = self
            .command("createdb")
            .args([
                "--host=127.0.0.1",
                "--username=postgres",
                "--port",
                &port,
                name,
            ])
            .status();
        assert!(created.expect("createdb runs").success());
        self.url(name)
    }

    /// What a query of the database `name` comes to, as text.
    #[allow(dead_code, reason = "some tests ask in other ways")]
    pub(crate) fn query(&self, name: &str, query: &str) -> String {
        let output = self
            .command("psql")
            .args(["--no-psqlrc", "--no-align", "--tuples-only"])
            .args(["--set=ON_ERROR_STOP=1", "--command", query])
            .arg(self.url(name))
            .output()
            .expect("psql runs");
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{problem}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The port that it listens on.
    #[allow(dead_code, reason = "most tests want a URL")]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where its database `name` is.
    pub(crate) fn url(&self, name: &str) -> String {
        format!(
            "postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable",
            self.port
        )
    }

    /// Runs it with the data that it has, and waits until it answers.
    pub(crate) fn run(&mut self) {
        loop {
            let child = self
                .command("postgres")
                .arg("-D")
                .arg(self.folder.join("data"))
                .args(["-p", &self.port.to_string()])
                .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
                .args(["-c", "unix_socket_directories="])
                .args(self.settings.iter().flat_map(|it| ["-c", it]))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            self.child = Some(child.expect("postgres runs"));
            // It does not start while what a killed one left behind still ends.
            while !self.has_ended() {
                if self.answers() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().expect("it was started").is_some()
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(&mut self) {
        let pids = self.pids();
        let mut child = self.child.take().expect("it runs");
        signal("KILL", &pids);
        child.wait().expect("it was started");
    }

    /// It stands still: what it has accepted stays open, and nothing is answered.
    pub(crate) fn pause(&self) {
        signal("STOP", &self.pids());
    }

    /// It goes on.
    pub(crate) fn resume(&self) {
        signal("CONT", &self.pids());
    }

    /// The server, and its process for each connection.
    fn pids(&self) -> Vec<u32> {
        let pid = self.child.as_ref().expect("it runs").id();
        let children = Command::new("pgrep")
            .args(["-P", &pid.to_string()])
            .output();
        let children = children.expect("pgrep runs").stdout;
        let children = String::from_utf8_lossy(&children).into_owned();
        let children = children.lines().filter_map(|line| line.parse().ok());
        [pid].into_iter().chain(children).collect()
    }

    fn answers(&self) -> bool {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        let port = self.port.to_string();
        let ready = || {
            let asked = self
                .command("pg_isready")
                .args(["--quiet", "--host=127.0.0.1", "--port", &port])
                .status();
            asked.is_ok_and(|status| status.success())
        };
        TcpStream::connect(address).is_ok() && ready()
    }

    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = Command::new("setpriv");
        // It ends with these tests, however they end.
        command.arg("--pdeathsig=KILL");
        if let Some((user, group)) = other_user() {
            command.args([format!("--reuid={user}"), format!("--regid={group}")]);
            command.arg("--clear-groups");
        }
        command.arg("--").arg(path).current_dir(&self.folder);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    // A connection may have ended meanwhile.
    let _ = Command::new("kill")
        .args(["-s", name])
        .args(pids)
        .stderr(Stdio::null())
        .status();
}

fn programs() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("POSTGRES_BIN") {
        return Some(path.into());
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let paths = versions.flatten().map(|version| version.path().join("bin"));
    paths.filter(|path| path.join("initdb").is_file()).max()
}

/// Whom it runs as when these tests run as root.
fn other_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id")
            .args(arguments)
            .output()
            .expect("id runs");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        text.parse::<u32>().ok()
    };
    if id(&["-u"])? != 0 {
        return None;
    }
    Some((id(&["-u", "postgres"])?, id(&["-g", "postgres"])?))
}

/// Tests that are killed cannot clean up; those after them do.
fn remove_what_the_dead_left() {
    let entries = std::fs::read_dir(std::env::temp_dir()).expect("readable");
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name
            .strip_prefix(PREFIX)
            .and_then(|it| it.split('-').next());
        if let Some(pid) = pid
            && !Path::new("/proc").join(pid).exists()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
