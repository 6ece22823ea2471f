//! Sending spans: over gRPC and HTTP, packed or not, right or wrong.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use msvc::infra::embedded::collector::proto::opentelemetry::proto::collector::trace::v1::trace_service_client::TraceServiceClient;
use msvc::infra::embedded::collector::proto::opentelemetry::proto::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use msvc::infra::embedded::collector::proto::opentelemetry::proto::trace::v1::{
    ResourceSpans, ScopeSpans, Span,
};
use prost::Message;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};

use super::servers::{Server, ask};

const PROTOBUF: &str = "application/x-protobuf";

fn span(trace: u8, id: u8) -> Span {
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        name: format!("span {id}"),
        ..Span::default()
    }
}

fn batch(spans: Vec<Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: None,
            scope_spans: vec![ScopeSpans { scope: None, spans }],
        }],
    }
}

/// How many spans of a trace there are.
async fn count(server: &Server, trace: u8) -> usize {
    let id = format!("{trace:02x}").repeat(16);
    let (_, answer) = server.get(&format!("/api/traces/{id}")).await;
    answer["data"][0]["spans"].as_array().map_or(0, Vec::len)
}

fn channel(address: std::net::SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    endpoint.expect("a URL").connect_lazy()
}

#[tokio::test]
async fn spans_come_over_grpc_and_http_on_either_port_packed_or_not() {
    let server = Server::embedded().await;
    let mut trace = 0;
    for address in [server.addresses.grpc, server.addresses.http] {
        for packing in [None, Some(CompressionEncoding::Gzip)] {
            trace += 1;
            let mut client = TraceServiceClient::new(channel(address));
            if let Some(packing) = packing {
                client = client.send_compressed(packing);
            }
            let response = client.export(batch(vec![span(trace, 1)])).await;
            let response = response.expect("accepted").into_inner();
            assert_eq!(response, ExportTraceServiceResponse::default());
            assert_eq!(count(&server, trace).await, 1);
        }
        for is_packed in [false, true] {
            trace += 1;
            let mut body = batch(vec![span(trace, 1)]).encode_to_vec();
            if is_packed {
                let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
                packer.write_all(&body).expect("memory");
                body = packer.finish().expect("memory");
            }
            let mut request = server.post(PROTOBUF, body.into());
            *request.uri_mut() = format!("http://{address}/v1/traces")
                .parse()
                .expect("a URL");
            if is_packed {
                let gzip = http::HeaderValue::from_static("gzip");
                request.headers_mut().insert("content-encoding", gzip);
            }
            assert_eq!(ask(request).await, Some((200, Bytes::new())));
            assert_eq!(count(&server, trace).await, 1);
        }
    }
}

#[tokio::test]
async fn spans_that_are_none_are_counted_and_the_others_kept() {
    let server = Server::embedded().await;
    let no_trace = Span {
        trace_id: vec![0; 16],
        ..span(1, 2)
    };
    let no_span = Span {
        span_id: vec![1; 7],
        ..span(1, 3)
    };
    let spans = vec![span(1, 1), no_trace, no_span];
    let mut client = TraceServiceClient::new(channel(server.addresses.grpc));
    let response = client.export(batch(spans)).await.expect("accepted");
    let expected = ExportTracePartialSuccess {
        rejected_spans: 2,
        error_message: "a span id is 8 bytes, not all of them zero".to_owned(),
    };
    assert_eq!(response.into_inner().partial_success, Some(expected));
    assert_eq!(count(&server, 1).await, 1);
    let body = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"01","spanId":""}]}]}]}"#;
    let answer = ask(server.post("application/json", Bytes::from_static(body))).await;
    let (status, body) = answer.expect("an answer");
    assert_eq!(status, 200);
    assert_eq!(
        String::from_utf8_lossy(&body),
        r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"a trace id is 16 bytes, not all of them zero"}}"#
    );
}

#[tokio::test]
async fn what_is_sent_twice_is_told_once() {
    let server = Server::embedded().await;
    let mut client = TraceServiceClient::new(channel(server.addresses.grpc));
    for _ in 0..2 {
        let sent = batch(vec![span(1, 1), span(1, 2)]);
        client.export(sent).await.expect("accepted");
    }
    assert_eq!(count(&server, 1).await, 2);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_clearly() {
    let server = Server::embedded().await;
    for (kind, body, expected) in [
        (
            "text/plain",
            "x",
            (
                415,
                "the content type must be application/x-protobuf or application/json\n",
            ),
        ),
        (
            "application/json",
            "{",
            (
                400,
                r#"{"code":3,"message":"EOF while parsing an object at line 1 column 1"}"#,
            ),
        ),
        (
            "application/json",
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xy"}]}]}]}"#,
            (
                400,
                r#"{"code":3,"message":"`traceId` is not hexadecimal"}"#,
            ),
        ),
    ] {
        let (status, answer) = ask(server.post(kind, body.into()))
            .await
            .expect("an answer");
        assert_eq!((status, &*String::from_utf8_lossy(&answer)), expected);
    }
    let (status, answer) = ask(server.post(PROTOBUF, "x".into()))
        .await
        .expect("an answer");
    assert_eq!(status, 400);
    assert!(
        answer.starts_with(&[8, 3]),
        "a google.rpc.Status, InvalidArgument: {answer:?}"
    );
    let mut request = server.post(PROTOBUF, "x".into());
    let metrics = format!("http://{}/v1/metrics", server.addresses.http);
    *request.uri_mut() = metrics.parse().expect("a URL");
    let refused = Bytes::from_static(b"the built-in collector takes traces alone\n");
    assert_eq!(ask(request).await, Some((404, refused)));
    // A service that it has not, as metrics and logs are.
    let mut client = tonic::client::Grpc::new(channel(server.addresses.grpc));
    client.ready().await.expect("connected");
    let path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let path = http::uri::PathAndQuery::from_static(path);
    let refused = client.unary(tonic::Request::new(()), path, codec).await;
    let refused = refused.expect_err("it is refused");
    assert_eq!(refused.code(), Code::Unimplemented);
    assert_eq!(
        refused.message(),
        "the built-in collector takes traces alone"
    );
}
