//! All instances are restarted one after the other, as a deployment does it.

use chassis::client::Channel;
use tonic::Streaming;

use super::load::Load;
use super::{CALLERS, show};
use crate::consul::Agent;
use crate::discovery::wait_until;
use crate::process::Service;
use crate::support::{ProbeClient, ProbeReply, ProbeRequest};

/// A stream of these many replies of that many bytes: more than connections hold, so that it is in
/// flight for as long as nobody reads on.
const REPLIES: usize = 400;
const REPLY_SIZE: u32 = 64 * 1024;

/// A stream from the instance called `name`, of which one reply is read.
async fn stream_from(client: &mut ProbeClient<Channel>, name: &str) -> Streaming<ProbeReply> {
    loop {
        let request = ProbeRequest {
            replies: REPLIES as u32,
            size: REPLY_SIZE,
            ..ProbeRequest::default()
        };
        let mut replies = client
            .server_stream(request)
            .await
            .expect("replies")
            .into_inner();
        let reply = replies.message().await.expect("no error");
        if reply.expect("a reply").instance == name {
            return replies;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_all_instances_fails_no_call_and_cuts_no_stream() {
    let Some(agent) = Agent::start() else { return };
    let names = ["a", "b", "c"];
    let mut instances: Vec<Service> = names.iter().map(|name| agent.service(name)).collect();
    let mut client = agent.client().await;
    let mut load = Load::start(&client, CALLERS);
    load.reach(&names).await;
    for (index, name) in names.iter().enumerate() {
        let mut stream = stream_from(&mut client, name).await;
        let old = &mut instances[index];
        old.signal("TERM");
        old.wait_for("finishing calls in flight");
        load.calls(200).await;
        let mut replies = 1;
        let end = loop {
            match stream.message().await {
                Ok(Some(_)) => replies += 1,
                end => break end,
            }
        };
        assert!(old.wait().success());
        assert!(end.is_ok(), "after {replies}: {end:?}: {:#?}", old.log);
        assert_eq!(replies, REPLIES);
        let next = format!("{name}2");
        instances[index] = agent.service(&next);
        load.reach(&[&next]).await;
    }
    wait_until(|| agent.passing().len() == 3);
    let report = load.end().await;
    show("rolling restart", &report);
    assert_eq!((&report.failures[..], report.cut), (&[][..], 0));
}
