//! A service that is killed, stands still and comes back, under a load that does not pause: each
//! request is answered, with the status that says what happened, and all is well again afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chassis::config::Duration;
use http::Request;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::support::process::{PATIENCE, Process, Role, free_address};
use crate::support::{System, system_with};

/// Who ask at a time.
const CLIENTS: usize = 8;
/// How often a status has to be seen.
const OFTEN: usize = 3 * CLIENTS;
/// Who does not answer is late to who asked before that was noticed, and gone to the others.
const ONCE: usize = 1;

/// How many requests were answered with which status.
type Seen = BTreeMap<u16, usize>;

/// Clients that ask over and over.
struct Load {
    seen: Arc<Mutex<Seen>>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(system: &Arc<System>, path: &'static str) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (system, seen) = (Arc::clone(system), Arc::clone(&seen));
            clients.spawn(async move {
                loop {
                    let request = Request::get(path).body(String::new()).expect("a request");
                    let reply = timeout(PATIENCE, system.send(request)).await;
                    let status = reply.expect("no request hangs").status;
                    *seen.lock().expect("no panic").entry(status).or_default() += 1;
                    tokio::time::sleep(Duration::from_millis(5).get()).await;
                }
            });
        }
        Self { seen, clients }
    }

    /// Waits until this status was seen so often, from now on; none but these may be seen.
    async fn until(&mut self, (wanted, often): (u16, usize), allowed: &[u16]) {
        self.seen.lock().expect("no panic").clear();
        let begun = Instant::now();
        loop {
            let seen = self.seen.lock().expect("no panic").clone();
            let strange = seen.keys().find(|status| !allowed.contains(status));
            assert_eq!(strange, None, "{seen:?}, {allowed:?} are right");
            if seen.get(&wanted).is_some_and(|count| *count >= often) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "no {wanted} in {seen:?}");
            if let Some(ended) = self.clients.try_join_next() {
                ended.expect("clients do not fail");
            }
            tokio::time::sleep(Duration::from_millis(10).get()).await;
        }
    }
}

/// Everything that happens to a service, with the statuses that say that it is gone, and that it does
/// not answer.
async fn suffer(path: &'static str, gone: u16, late: u16) {
    let (grpc, http) = (free_address(), free_address());
    let role = Role::Service { grpc, http };
    let service = Process::start(role);
    let system = system_with(|config, settings| {
        config.server.deadline.unary = Duration::from_secs(1);
        config.client.ready_timeout = Duration::from_millis(200);
        config.client.breaker.open_for = Duration::from_secs(1);
        config.client.max_backoff = Duration::from_secs(1);
        settings.services[0].target = format!("static:///{grpc}");
        settings.routes = vec![gateway::Route {
            name: "files".to_owned(),
            path: "/files".to_owned(),
            target: format!("static:///{http}"),
            strip: false,
        }];
    });
    let system = Arc::new(system.await);
    let mut load = Load::start(&system, path);
    let (well, any) = ((200, OFTEN), [200, gone, late]);
    load.until(well, &any).await;

    service.kill();
    load.until((gone, OFTEN), &any).await;
    let service = Process::start(role);
    load.until(well, &any).await;
    load.until(well, &[200]).await;

    service.signal("STOP");
    load.until((late, ONCE), &any).await;
    service.signal("CONT");
    load.until(well, &any).await;
    load.until(well, &[200]).await;

    // It ends while it stands still.
    service.signal("STOP");
    load.until((late, ONCE), &any).await;
    service.kill();
    load.until((gone, OFTEN), &any).await;
    let _service = Process::start(role);
    load.until(well, &any).await;
    load.until(well, &[200]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_service_that_dies_stands_still_and_returns_are_503_and_504() {
    suffer("/v1/messages/a", 503, 504).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_route_whose_service_dies_stands_still_and_returns_are_502_and_504() {
    suffer("/files/a", 502, 504).await;
}
