//! The connection to the coordinator of a group: to join it, to stay in it, to leave it, and to commit
//! what was handled. The client library has no groups.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::access::{Access, Stream, User};
use super::wire::{Reader, Writer};
use super::{REQUEST_TIMEOUT, in_time, unreachable};
use crate::Error;

/// Requests: their keys and versions.
const OFFSET_COMMIT: (i16, i16) = (8, 2);
const OFFSET_FETCH: (i16, i16) = (9, 1);
const FIND_COORDINATOR: (i16, i16) = (10, 1);
const JOIN_GROUP: (i16, i16) = (11, 2);
const HEARTBEAT: (i16, i16) = (12, 1);
const LEAVE_GROUP: (i16, i16) = (13, 1);
const SYNC_GROUP: (i16, i16) = (14, 1);
const SASL_HANDSHAKE: (i16, i16) = (17, 1);
const SASL_AUTHENTICATE: (i16, i16) = (36, 0);

/// Error codes.
const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
const REBALANCE_IN_PROGRESS: i16 = 27;

/// A member that is not heard of for so long is taken for dead.
const SESSION_TIMEOUT_MS: i32 = 10_000;

/// How long members have to finish what they handle when partitions are divided anew.
pub(super) const REBALANCE_TIMEOUT_MS: i32 = 10_000;

/// The way partitions are divided, which all members must know. It is this crate's own, so that members
/// of other kinds are refused and not mixed in.
const PROTOCOL: &str = "messaging-modulo";

/// The most bytes of an answer.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// No member yet.
pub(super) const NOBODY: &str = "";

/// What a member of a group is, for as long as partitions are not divided anew.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    pub(super) group: String,
    pub(super) member: String,
    pub(super) generation: i32,
    /// The partitions that this member has.
    pub(super) partitions: Vec<i32>,
}

/// What the coordinator says to a member that tells that it is there, or what it has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Member,
    /// Partitions are divided anew: it has to join again.
    Rebalance,
    /// It was taken for dead.
    Expelled,
}

pub(super) struct Coordinator {
    stream: Box<dyn Stream>,
    correlation: i32,
}

impl Coordinator {
    /// Connects to the coordinator of `group`, by asking the brokers one after the other who it is.
    pub(super) async fn find(
        addresses: &[String],
        access: &Access,
        group: &str,
    ) -> Result<Self, Error> {
        let mut last = Error::Unreachable("there is no broker".to_owned());
        for address in addresses {
            match in_time(Self::find_by(address, access, group)).await {
                Ok(coordinator) => return Ok(coordinator),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn find_by(address: &str, access: &Access, group: &str) -> Result<Self, Error> {
        let mut broker = Self::connect(address, access).await?;
        let request = Writer::default().string(group).i8(0);
        let mut answer = broker.ask(FIND_COORDINATOR, request).await?;
        answer.i32()?;
        let code = answer.i16()?;
        answer.string()?;
        answer.i32()?;
        let (host, port) = (answer.string()?, answer.i32()?);
        match code {
            0 => Self::connect(&format!("{host}:{port}"), access).await,
            code => Err(failed("the group has no coordinator", code)),
        }
    }

    pub(super) async fn connect(address: &str, access: &Access) -> Result<Self, Error> {
        let mut broker = Self {
            stream: access.connect(address).await?,
            correlation: 0,
        };
        if let Some(user) = &access.user {
            broker.log_in(user).await?;
        }
        Ok(broker)
    }

    async fn log_in(&mut self, user: &User) -> Result<(), Error> {
        let request = Writer::default().string("PLAIN");
        match self.ask(SASL_HANDSHAKE, request).await?.i16()? {
            0 => {}
            code => return Err(failed("no passwords are taken", code)),
        }
        let User { name, password } = user;
        let who = format!("\0{name}\0{password}");
        let request = Writer::default().bytes(who.as_bytes());
        match self.ask(SASL_AUTHENTICATE, request).await?.i16()? {
            0 => Ok(()),
            code => Err(failed("the user or the password is wrong", code)),
        }
    }

    /// Sends a request and reads the answer, in time for all but those that wait for others.
    async fn ask(&mut self, api: (i16, i16), request: Writer) -> Result<Reader, Error> {
        self.correlation = self.correlation.wrapping_add(1);
        let head = Writer::default()
            .i16(api.0)
            .i16(api.1)
            .i32(self.correlation);
        let head = head.string("messaging");
        let length = i32::try_from(head.0.len() + request.0.len()).map_err(unreachable)?;
        let mut frame = BytesMut::from(&length.to_be_bytes()[..]);
        frame.extend_from_slice(&head.0);
        frame.extend_from_slice(&request.0);
        self.stream.write_all(&frame).await.map_err(unreachable)?;
        let length = self.stream.read_u32().await.map_err(unreachable)? as usize;
        if length > MAX_ANSWER {
            return Err(Error::Unreachable("this is no answer of Kafka".to_owned()));
        }
        let mut answer = BytesMut::zeroed(length);
        self.stream
            .read_exact(&mut answer)
            .await
            .map_err(unreachable)?;
        let mut answer = Reader(answer.freeze());
        match answer.i32()? == self.correlation {
            true => Ok(answer),
            false => Err(Error::Unreachable("the answer is another's".to_owned())),
        }
    }

    /// Joins the group, and is told its partitions of the `partitions` that `topic` has. It takes until
    /// all other members have joined again.
    pub(super) async fn join(
        &mut self,
        group: &str,
        member: &str,
        partitions: i32,
    ) -> Result<Membership, Error> {
        let request = Writer::default()
            .string(group)
            .i32(SESSION_TIMEOUT_MS)
            .i32(REBALANCE_TIMEOUT_MS)
            .string(member)
            .string("messaging")
            .array([PROTOCOL].into_iter(), |it, name| {
                it.string(name).bytes(&[])
            });
        let joined = self.ask(JOIN_GROUP, request);
        let waits = REQUEST_TIMEOUT * 4;
        let joined = tokio::time::timeout(waits, joined).await;
        let mut joined = joined.map_err(unreachable)??;
        joined.i32()?;
        let code = joined.i16()?;
        if code != 0 {
            return Err(failed("the group cannot be joined", code));
        }
        let generation = joined.i32()?;
        joined.string()?;
        let (leader, member) = (joined.string()?, joined.string()?);
        let mut members = joined.array(|it| {
            let member = it.string()?;
            it.bytes()?;
            Ok(member)
        })?;
        members.sort();
        // The leader alone is told who the members are.
        let shares = match leader == member {
            true => shares(&members, partitions),
            false => Vec::new(),
        };
        let request = Writer::default()
            .string(group)
            .i32(generation)
            .string(&member)
            .array(shares.into_iter(), |it, (member, share)| {
                it.string(&member).bytes(&share.0)
            });
        let synced = tokio::time::timeout(waits, self.ask(SYNC_GROUP, request)).await;
        let mut synced = synced.map_err(unreachable)??;
        synced.i32()?;
        let code = synced.i16()?;
        if code != 0 {
            return Err(failed("the group is divided anew", code));
        }
        let partitions = Reader(synced.bytes()?).array(Reader::i32)?;
        Ok(Membership {
            group: group.to_owned(),
            member,
            generation,
            partitions,
        })
    }

    pub(super) async fn heartbeat(&mut self, membership: &Membership) -> Result<Standing, Error> {
        let request = about(membership);
        let mut answer = in_time(self.ask(HEARTBEAT, request)).await?;
        answer.i32()?;
        standing(answer.i16()?)
    }

    /// The first offset of each partition that is not done, if any was committed.
    pub(super) async fn committed(
        &mut self,
        membership: &Membership,
        topic: &str,
    ) -> Result<Vec<(i32, Option<i64>)>, Error> {
        let partitions = &membership.partitions;
        let request =
            Writer::default()
                .string(&membership.group)
                .array([topic].into_iter(), |it, topic| {
                    it.string(topic)
                        .array(partitions.iter(), |it, partition| it.i32(*partition))
                });
        let mut answer = in_time(self.ask(OFFSET_FETCH, request)).await?;
        let topics = answer.array(|it| {
            it.string()?;
            it.array(|it| {
                let (partition, offset) = (it.i32()?, it.i64()?);
                it.string()?;
                match it.i16()? {
                    0 => Ok((partition, (offset >= 0).then_some(offset))),
                    code => Err(failed("offsets cannot be read", code)),
                }
            })
        })?;
        Ok(topics.into_iter().flatten().collect())
    }

    pub(super) async fn commit(
        &mut self,
        membership: &Membership,
        topic: &str,
        offsets: &[(i32, i64)],
    ) -> Result<Standing, Error> {
        // As long as the group's own offsets are kept.
        const DEFAULT_RETENTION: i64 = -1;
        let request =
            about(membership)
                .i64(DEFAULT_RETENTION)
                .array([topic].into_iter(), |it, topic| {
                    it.string(topic)
                        .array(offsets.iter(), |it, (partition, offset)| {
                            it.i32(*partition).i64(*offset).string("")
                        })
                });
        let mut answer = in_time(self.ask(OFFSET_COMMIT, request)).await?;
        let codes = answer.array(|it| {
            it.string()?;
            it.array(|it| {
                it.i32()?;
                it.i16()
            })
        })?;
        let code = codes.into_iter().flatten().find(|code| *code != 0);
        standing(code.unwrap_or(0))
    }

    /// Its partitions go to others at once.
    pub(super) async fn leave(&mut self, membership: &Membership) -> Result<(), Error> {
        let request = Writer::default()
            .string(&membership.group)
            .string(&membership.member);
        in_time(self.ask(LEAVE_GROUP, request)).await.map(drop)
    }
}

fn about(membership: &Membership) -> Writer {
    Writer::default()
        .string(&membership.group)
        .i32(membership.generation)
        .string(&membership.member)
}

fn standing(code: i16) -> Result<Standing, Error> {
    match code {
        0 => Ok(Standing::Member),
        REBALANCE_IN_PROGRESS => Ok(Standing::Rebalance),
        ILLEGAL_GENERATION | UNKNOWN_MEMBER_ID => Ok(Standing::Expelled),
        code => Err(failed("the coordinator fails", code)),
    }
}

fn failed(what: &str, code: i16) -> Error {
    Error::Unreachable(format!("{what}: error {code} of Kafka"))
}

/// Each member's partitions: one after the other gets the next.
fn shares(members: &[String], partitions: i32) -> Vec<(String, Writer)> {
    let share = |(index, member): (usize, &String)| {
        let own = |partition: &i32| *partition as usize % members.len() == index;
        let own: Vec<i32> = (0..partitions).filter(own).collect();
        let share = Writer::default().array(own.into_iter(), Writer::i32);
        (member.clone(), share)
    };
    members.iter().enumerate().map(share).collect()
}
