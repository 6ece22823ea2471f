//! Sagas in a service: `/sagas` shows them, and SIGTERM lets the step that goes on end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use chassis::background::Stop;
use saga::{Context, Failure, Saga, Sagas, Settings, Status, Step, Store};
use serde_json::Value;
use storage::Database;

const DATABASE: &str = "SAGA_TEST_DATABASE";

/// Tells this process' worker to stop.
static STOP: OnceLock<Stop> = OnceLock::new();

/// Goes on until the worker is told to stop.
struct Slow;

impl Step for Slow {
    type Input = ();
    type Output = ();
    const NAME: &'static str = "slow";

    async fn act(&self, _: &Context<()>) -> Result<(), Failure> {
        tracing::info!("in the step");
        STOP.get().expect("it works").requested().await;
        Ok(())
    }
}

struct Next;

impl Step for Next {
    type Input = ();
    type Output = ();
    const NAME: &'static str = "next";

    async fn act(&self, _: &Context<()>) -> Result<(), Failure> {
        Ok(())
    }
}

fn slow() -> Saga<()> {
    Saga::new("slow").step(Slow).step(Next)
}

/// What the process of this test runs: this very binary, told to run this one "test".
#[test]
#[ignore = "not a test: the service that tests start"]
fn service() -> Result<(), chassis::Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let config = chassis::config::load::<chassis::config::NoSettings>("slow", "1.0.0")?;
        let url = std::env::var(DATABASE).expect("it is set");
        let database = Database::open(&storage::Settings::at(url), &[]).await;
        let database = database.expect("it opens");
        let store = Store::database(&database).await.expect("a store");
        let sagas = Sagas::new(store, Settings::default());
        let _slow = sagas.add(slow());
        let worker = sagas.worker();
        let services = chassis::Services::new(&[])
            .depends_on("database", database.probe())
            .background("sagas", move |stop| {
                let stop = STOP.get_or_init(|| stop).clone();
                worker(stop)
            })
            .page("/sagas", sagas.page());
        chassis::serve(config, services).await
    })
}

struct Service {
    child: Child,
    lines: Box<dyn Iterator<Item = Value> + Send>,
}

impl Service {
    fn start(url: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "service::service", "--ignored", "--nocapture"])
            .env(DATABASE, url)
            .env("APP_SERVER__HOST", "127.0.0.1")
            .env("APP_SERVER__PORT", "0")
            .env("APP_ADMIN__PORT", "0")
            .env("APP_LOG__FORMAT", "json")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this binary runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let lines = lines.map_while(Result::ok);
        let lines = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        Self {
            child,
            lines: Box::new(lines.filter(Value::is_object)),
        }
    }

    fn wait_for(&mut self, message: &str) -> Value {
        let found = self.lines.find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("it never says {message:?}"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_shows_its_sagas_and_ends_with_the_step_that_goes_on() {
    let database = storage::testing::database(&[]).await;
    let store = Store::database(&database).await.expect("a store");
    let sagas = Sagas::new(store, Settings::default());
    let slow = sagas.add(slow());
    slow.start("one", &()).await.expect("no error");

    let url = database.url().to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let mut service = Service::start(&url);
        let listening = service.wait_for("listening");
        let admin = listening["fields"]["admin"]
            .as_str()
            .expect("an address")
            .to_owned();
        service.wait_for("in the step");
        let page = get(&admin, "/sagas?id=one");
        assert_eq!(page["sagas"][0]["status"], "running");
        let step = serde_json::json!({ "state": "acting", "attempts": 1 });
        assert_eq!(
            page["sagas"][0]["steps"],
            serde_json::json!({ "slow": step })
        );
        let ready = get(&admin, "/readyz");
        assert_eq!(
            (&ready["ready"], &ready["dependencies"][0]["name"]),
            (&true.into(), &"database".into())
        );

        let pid = service.child.id().to_string();
        let told = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(told.expect("kill runs").success());
        service.wait_for("a saga is left to other processes");
        service.wait_for("stopped");
        service.child.wait().expect("it was started")
    });
    assert!(ended.await.expect("no panic").success());
    assert_eq!(
        slow.status("one").await.expect("it is there"),
        Status::Running
    );
    let page = sagas.page()(String::new()).await.expect("a page");
    assert_eq!(page["sagas"][0]["steps"]["slow"]["state"], "acted");
}
