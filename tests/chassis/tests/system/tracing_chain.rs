//! One trace through three processes, as a collector sees it.

use std::collections::BTreeMap;

use tonic::Request;

use crate::collector;
use crate::process::Service;
use crate::support::{Behaviour, ask};

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_three_services_is_one_trace_with_the_right_parents() {
    let (collector, spans) = collector::grpc(0).await;
    let endpoint = format!("http://{}", collector.address());

    let start = |name: &str, downstream: Option<&Service>| {
        let target = downstream.map(|it| format!("static:///{}", it.grpc));
        let mut variables = vec![
            ("APP_TRACING__ENDPOINT", endpoint.as_str()),
            ("APP_SERVICE__NAME", name),
        ];
        variables.extend(target.as_deref().map(|it| ("PROBE_DOWNSTREAM", it)));
        Service::start(&variables)
    };
    let mut user = start("user", None);
    let mut order = start("order", Some(&user));

    let mut client = order.client().await;
    let mut request = Request::new(ask(Behaviour::Relay(true)));
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let metadata = request.metadata_mut();
    metadata.insert("traceparent", parent.parse().expect("ASCII"));
    client.unary(request).await.expect("a reply");
    drop(client);

    // The end of a service flushes what it has not yet sent.
    for service in [&mut order, &mut user] {
        service.signal("TERM");
        assert!(service.wait().success());
    }
    let spans = spans.lock().expect("no panic");
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let mut chain = BTreeMap::new();
    for (service, span) in &*spans {
        assert_eq!(hex(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
        chain.insert(
            hex(&span.parent_span_id),
            (hex(&span.span_id), service, span.kind),
        );
    }
    let mut parent = "00f067aa0ba902b7".to_owned();
    let mut seen = Vec::new();
    while let Some((id, service, kind)) = chain.get(&parent) {
        seen.push((*service == "order", *kind));
        parent = id.clone();
    }
    const SERVER: i32 = 2;
    const CLIENT: i32 = 3;
    assert_eq!(
        seen,
        [(true, SERVER), (true, CLIENT), (false, SERVER)],
        "{spans:#?}"
    );
    assert_eq!(spans.len(), 3, "{spans:#?}");
}
