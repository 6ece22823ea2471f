//! One trace through three processes, as a collector sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chassis::{Services, testing};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::{Request, Response, Status};

use crate::process::Service;
use crate::support::{Behaviour, ask};

/// Spans with the name of the service that sent them.
type Spans = Arc<Mutex<Vec<(String, Span)>>>;

#[derive(Default)]
struct Collector {
    spans: Spans,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource
                .resource
                .map(|it| it.attributes)
                .unwrap_or_default();
            let name = attributes
                .iter()
                .find(|it| it.key == "service.name")
                .and_then(|it| it.value.as_ref()?.value.clone())
                .map(|value| format!("{value:?}"))
                .unwrap_or_default();
            let spans = resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans);
            let spans = spans.map(|span| (name.clone(), span));
            self.spans.lock().expect("no panic").extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_three_services_is_one_trace_with_the_right_parents() {
    let spans = Spans::default();
    let collector = Collector {
        spans: Arc::clone(&spans),
    };
    let services = Services::new(&[]).add(TraceServiceServer::new(collector));
    let collector = testing::serve(services).await;
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
        seen.push((service.contains("\"order\""), *kind));
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
