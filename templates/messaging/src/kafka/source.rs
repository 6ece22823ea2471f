//! A member of a group: it joins, reads its partitions, commits, and joins again whenever the partitions
//! are divided anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chassis::backoff::Backoff;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::cluster::Cluster;
use super::coordinator::{Coordinator, Membership, NOBODY, REBALANCE_TIMEOUT_MS, Standing};
use super::offsets::Offsets;
use super::reader::{Fetched, Reader};
use super::{partitions, unreachable};
use crate::Error;
use crate::backend::{Boxed, Incoming, Route, Source};

/// How often a member says that it is there, and commits what it has done.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// How long members have to finish before partitions are divided anew; a bit less than Kafka waits.
const HANDOVER: Duration = Duration::from_millis(REBALANCE_TIMEOUT_MS as u64 - 2_000);

/// The pauses between attempts to join.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Member {
    fetched: mpsc::Receiver<Fetched>,
    /// The session that goes on. What is left of others is fetched again, maybe by another member.
    session: Arc<AtomicU64>,
    /// Dropped to end the task.
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Member {
    pub(super) fn start(cluster: Arc<Cluster>, route: Route, prefetch: usize) -> Self {
        let (sender, fetched) = mpsc::channel(1);
        let (end, ended) = oneshot::channel();
        let session = Arc::new(AtomicU64::new(0));
        let joining = Joining {
            cluster,
            route,
            prefetch,
            sender,
            session: Arc::clone(&session),
        };
        Self {
            fetched,
            session,
            end: Some(end),
            task: tokio::spawn(joining.run(ended)),
        }
    }
}

impl Source for Member {
    fn next(&mut self) -> Boxed<'_, Incoming> {
        Box::pin(async {
            loop {
                match self.fetched.recv().await {
                    Some(it) if it.session == self.session.load(Ordering::SeqCst) => {
                        return it.incoming;
                    }
                    Some(_) => {}
                    // The task ends with the member alone.
                    None => std::future::pending().await,
                }
            }
        })
    }

    fn close(mut self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async move {
            drop(self.end.take());
            let _ = (&mut self.task).await;
        })
    }
}

struct Joining {
    cluster: Arc<Cluster>,
    route: Route,
    prefetch: usize,
    sender: mpsc::Sender<Fetched>,
    session: Arc<AtomicU64>,
}

/// How a session ended, if not by a failure.
enum Ended {
    /// With the member.
    Member,
    /// It joins again, under this name.
    Again(String),
}

impl Joining {
    /// Ends when the member does, even if it is dropped: then too it commits and leaves.
    async fn run(self, mut ended: oneshot::Receiver<()>) {
        let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
        let mut member = NOBODY.to_owned();
        loop {
            let joined = tokio::select! {
                _ = &mut ended => return,
                joined = self.join(&member) => joined,
            };
            let result = match joined {
                Ok((coordinator, membership)) => {
                    backoff.reset();
                    member.clone_from(&membership.member);
                    self.session(coordinator, membership, &mut ended).await
                }
                Err(error) => Err(error),
            };
            self.session.fetch_add(1, Ordering::SeqCst);
            match result {
                Ok(Ended::Member) => return,
                Ok(Ended::Again(name)) => member = name,
                Err(error) => {
                    self.cluster.forget_topic(&self.route.topic);
                    // Under its old name it could be refused for ever.
                    NOBODY.clone_into(&mut member);
                    let pause = backoff.delay();
                    let (topic, group) = (&*self.route.topic.name, &*self.route.group);
                    tracing::warn!(topic, group, %error, ?pause, "no messages, joining again");
                    tokio::select! {
                        _ = &mut ended => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    async fn join(&self, member: &str) -> Result<(Coordinator, Membership), Error> {
        let route = &self.route;
        self.cluster.declare(&route.topic).await?;
        // A group of the same name may read other topics too: here each has its own.
        let group = format!("{}.{}", route.topic.name, route.group);
        let mut coordinator = self.cluster.coordinator(&group).await?;
        let parts = partitions(&route.topic);
        let membership = coordinator.join(&group, member, parts).await?;
        tracing::debug!(group, partitions = ?membership.partitions, "joined");
        Ok((coordinator, membership))
    }

    /// Reads the partitions of a membership until it is over.
    async fn session(
        &self,
        mut coordinator: Coordinator,
        membership: Membership,
        ended: &mut oneshot::Receiver<()>,
    ) -> Result<Ended, Error> {
        let offsets = Arc::new(Offsets::default());
        let topic = &*self.route.topic.name;
        let mut readers = JoinSet::new();
        if !membership.partitions.is_empty() {
            for (partition, offset) in coordinator.committed(&membership, topic).await? {
                let reader = self.reader(partition, &offsets);
                readers.spawn(reader.run(offset));
            }
        }
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut handover: Option<Instant> = None;
        loop {
            let released = offsets.released.notified();
            tokio::select! {
                biased;
                _ = &mut *ended => {
                    readers.shutdown().await;
                    // What cannot be told now is done again, by another.
                    let _ = commit(&mut coordinator, &membership, topic, &offsets).await;
                    let _ = coordinator.leave(&membership).await;
                    return Ok(Ended::Member);
                }
                () = released => {
                    readers.shutdown().await;
                    commit(&mut coordinator, &membership, topic, &offsets).await?;
                    coordinator.leave(&membership).await?;
                    return Ok(Ended::Again(NOBODY.to_owned()));
                }
                Some(read) = readers.join_next() => read.map_err(unreachable)??,
                _ = heartbeat.tick() => {
                    let committed = commit(&mut coordinator, &membership, topic, &offsets).await?;
                    let standing = coordinator.heartbeat(&membership).await?;
                    if [committed, standing].contains(&Standing::Expelled) {
                        return Ok(Ended::Again(NOBODY.to_owned()));
                    }
                    let is_over = [committed, standing].contains(&Standing::Rebalance);
                    if is_over && handover.is_none() {
                        // What others get next is not to overtake what is handled here.
                        readers.shutdown().await;
                        handover = Some(Instant::now());
                    }
                    if let Some(began) = handover
                        && (offsets.is_done() || began.elapsed() > HANDOVER)
                    {
                        let last = commit(&mut coordinator, &membership, topic, &offsets).await?;
                        return Ok(Ended::Again(match last {
                            Standing::Expelled => NOBODY.to_owned(),
                            // What is not committed comes again.
                            Standing::Member | Standing::Rebalance => membership.member,
                        }));
                    }
                }
            }
        }
    }

    fn reader(&self, partition: i32, offsets: &Arc<Offsets>) -> Reader {
        Reader {
            // On one connection a broker answers in order, and what waits for messages holds up the rest.
            cluster: self.cluster.apart(),
            route: self.route.clone(),
            partition,
            prefetch: self.prefetch,
            session: self.session.load(Ordering::SeqCst),
            offsets: Arc::clone(offsets),
            sender: self.sender.clone(),
        }
    }
}

/// Commits what is done. Unless it is still a member, nothing was committed.
async fn commit(
    coordinator: &mut Coordinator,
    membership: &Membership,
    topic: &str,
    offsets: &Offsets,
) -> Result<Standing, Error> {
    let done = offsets.to_commit();
    if done.is_empty() {
        return Ok(Standing::Member);
    }
    let standing = coordinator.commit(membership, topic, &done).await?;
    if standing == Standing::Member {
        offsets.committed(&done);
    }
    Ok(standing)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::kafka::access::Access;

    /// A coordinator that answers each commit with a code of Kafka.
    async fn commits(codes: &'static [i16]) -> Coordinator {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            for code in codes {
                let length = stream.read_u32().await.expect("a request") as usize;
                let mut request = vec![0; length];
                stream.read_exact(&mut request).await.expect("a request");
                // The number of the request, and of one topic `t` the partition 0.
                let mut answer = request[4..8].to_vec();
                answer.extend([0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0]);
                answer.extend(code.to_be_bytes());
                let length = u32::try_from(answer.len()).expect("it is short");
                stream.write_u32(length).await.expect("an answer");
                stream.write_all(&answer).await.expect("an answer");
            }
        });
        let access = Access::default();
        let coordinator = Coordinator::connect(&address, &access);
        coordinator.await.expect("a connection")
    }

    #[tokio::test]
    async fn what_the_coordinator_does_not_take_is_not_committed() {
        let mut coordinator = commits(&[27, 22, 25, 0]).await;
        let membership = Membership {
            group: "t.g".to_owned(),
            member: "m".to_owned(),
            generation: 1,
            partitions: vec![0],
        };
        let offsets = Offsets::default();
        offsets.begin(0, 7);
        offsets.fetched(0, 7);
        offsets.settle(0, 7);
        for (told, left) in [
            (Standing::Rebalance, vec![(0, 8)]),
            (Standing::Expelled, vec![(0, 8)]),
            (Standing::Expelled, vec![(0, 8)]),
            (Standing::Member, vec![]),
        ] {
            let standing = commit(&mut coordinator, &membership, "t", &offsets).await;
            assert_eq!(standing.expect("an answer"), told);
            assert_eq!(offsets.to_commit(), left);
        }
    }
}
