//! Watches: a task a stream, which takes from the history when the client has room for it and ends
//! when the client is gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::super::proto::etcdserverpb::watch_request::RequestUnion;
use super::super::proto::etcdserverpb::watch_server::Watch;
use super::super::proto::etcdserverpb::{WatchRequest, WatchResponse};
use super::super::state::Watches;
use super::{Api, Shared};

/// How often those who want to know are told the revision when nothing happens: as in etcd.
const PROGRESS: Duration = Duration::from_secs(600);

type Responses = mpsc::Sender<Result<WatchResponse, Status>>;

#[tonic::async_trait]
impl Watch for Api {
    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    async fn watch(
        &self,
        requests: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        // One response is made ahead of what the connection takes.
        let (sender, responses) = mpsc::channel(1);
        tokio::spawn(follow(self.clone(), requests.into_inner(), sender));
        Ok(Response::new(ReceiverStream::new(responses)))
    }
}

/// Tells one client what happens until it or this server goes away.
async fn follow(api: Api, requests: Streaming<WatchRequest>, responses: Responses) {
    let mut stopping = api.shared.stopping.subscribe();
    tokio::select! {
        () = converse(&api, requests, &responses) => {}
        () = responses.closed() => {}
        _ = stopping.wait_for(|stop| *stop) => {
            // Who does not read learns of it by the end of the connection.
            let stopped = Status::unavailable("etcdserver: server stopped");
            let _ = responses.try_send(Err(stopped));
        }
    }
}

async fn converse(api: &Api, mut requests: Streaming<WatchRequest>, responses: &Responses) {
    let mut changes = api.shared.changes.subscribe();
    let mut progress = interval_at(Instant::now() + PROGRESS, PROGRESS);
    let mut watches = Watches::default();
    let mut is_asking = true;
    loop {
        changes.mark_unchanged();
        if tell(api, &mut watches, responses).await.is_none() {
            return;
        }
        tokio::select! {
            request = requests.message(), if is_asking => match request {
                Ok(Some(request)) => ask(&api.shared, &mut watches, request),
                // It listens on.
                Ok(None) => is_asking = false,
                Err(_) => return,
            },
            // The sender is in `api`.
            _ = changes.changed() => {}
            _ = progress.tick() => watches.notify_progress(&api.shared.store()),
        }
    }
}

/// Tells all that there is to tell; none when nobody listens.
async fn tell(api: &Api, watches: &mut Watches, responses: &Responses) -> Option<()> {
    loop {
        // First there is room, then a response: for one that cannot be sent nothing is kept.
        let place = responses.reserve().await.ok()?;
        let Some(mut response) = watches.next(&api.shared.store()) else {
            return Some(());
        };
        response.header = api.header(response.header);
        place.send(Ok(response));
    }
}

fn ask(shared: &Arc<Shared>, watches: &mut Watches, request: WatchRequest) {
    let store = shared.store();
    match request.request_union {
        Some(RequestUnion::CreateRequest(request)) => watches.create(request, &store),
        Some(RequestUnion::CancelRequest(request)) => watches.cancel(request.watch_id, &store),
        Some(RequestUnion::ProgressRequest(_)) => watches.request_progress(),
        None => {}
    }
}
