//! The API server of a cluster, as far as a client can tell: HTTPS, and a token.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;

use bytes::Bytes;
use chassis::client;
use chassis::config::{Config, NoSettings};
use chassis::testing;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::discovery::wait_for_instances;
use crate::support::{ProbeClient, ProbeRequest, instance};
use crate::tls::Certificates;

/// Knows one instance, and tells those who bring the token.
async fn serve(certificates: &Certificates, instance: SocketAddr) -> String {
    let acceptor = TlsAcceptor::from(certificates.server_config());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = service_fn(move |request| async move {
                    Ok::<_, Infallible>(answer(&request, instance))
                });
                let connection = http1::Builder::new();
                let _ = connection
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    format!("https://localhost:{port}")
}

fn answer(
    request: &Request<Incoming>,
    instance: SocketAddr,
) -> Response<BoxBody<Bytes, Infallible>> {
    let token = request.headers().get("authorization");
    if token.is_none_or(|it| it != "Bearer secret") {
        let mut response = Response::new(Full::new(Bytes::new()).boxed());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        return response;
    }
    if request
        .uri()
        .query()
        .is_some_and(|it| it.contains("watch=true"))
    {
        return Response::new(BodyExt::boxed(StreamBody::new(tokio_stream::pending())));
    }
    Response::new(Full::new(list(instance).to_string().into()).boxed())
}

fn list(instance: SocketAddr) -> Value {
    json!({
        "metadata": {"resourceVersion": "1"},
        "items": [{
            "metadata": {"name": "users-1", "resourceVersion": "1"},
            "endpoints": [{"addresses": [instance.ip()]}],
            "ports": [{"name": "grpc", "port": instance.port()}],
        }],
    })
}

#[tokio::test]
async fn instances_are_found_over_https_with_the_token_of_a_file() {
    let certificates = Certificates::new();
    let server = testing::serve(instance("one")).await;
    let url = serve(&certificates, server.address()).await;
    let token = certificates.path("token");
    fs::write(&token, "secret\n").expect("a temporary file");
    let mut config = Config::<NoSettings>::default();
    config.registry.kubernetes.api_server = Some(url.parse().expect("an address"));
    config.registry.kubernetes.token_file = Some(token);
    config.registry.kubernetes.tls.ca = Some(certificates.path("ca.pem"));
    let connect = async |config: &Config| {
        let channel = client::connect("kubernetes:///users.shop:grpc", config).await;
        ProbeClient::new(channel.expect("a valid target"))
    };
    wait_for_instances(&mut connect(&config).await, &["one"]).await;

    config.registry.kubernetes.tls.ca = None;
    config.client.ready_timeout = chassis::config::Duration::from_millis(300);
    let status = connect(&config).await.unary(ProbeRequest::default()).await;
    assert_eq!(
        status.expect_err("it is not trusted").message(),
        "no instance of kubernetes:///users.shop:grpc is ready: none is known"
    );
}
