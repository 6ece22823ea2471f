//! A service that answers with what it was asked, as generated code would have it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use http::{Request, Response};
use prost::Message;
use prost::bytes::Bytes;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Service, StdError};
use tonic::server::{NamedService, UnaryService};
use tonic_prost::ProstCodec;

pub(crate) const PATH: &str = "/echo.v1.Echo/Say";

/// In bytes, without what says how long it is.
const PAYLOAD: usize = 100;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    payload: Bytes,
}

/// A message of [`PAYLOAD`] bytes.
pub(crate) fn payload() -> Payload {
    Payload {
        payload: Bytes::from_static(&[7; PAYLOAD]),
    }
}

/// The descriptors of the service: the chassis knows from them that the method is unary.
pub(crate) fn descriptor_set() -> &'static [u8] {
    let method = MethodDescriptorProto {
        name: Some("Say".to_owned()),
        ..MethodDescriptorProto::default()
    };
    let service = ServiceDescriptorProto {
        name: Some("Echo".to_owned()),
        method: vec![method],
        ..ServiceDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("echo.proto".to_owned()),
        package: Some("echo.v1".to_owned()),
        service: vec![service],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }
        .encode_to_vec()
        .leak()
}

/// The server.
#[derive(Debug, Clone)]
pub(crate) struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "echo.v1.Echo";
}

impl<B> Service<Request<B>> for Echo
where
    B: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<Payload, Payload>::default();
            Ok(tonic::server::Grpc::new(codec).unary(Say, request).await)
        })
    }
}

struct Say;

impl UnaryService<Payload> for Say {
    type Response = Payload;
    type Future = Ready<Result<tonic::Response<Payload>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Payload>) -> Self::Future {
        ready(Ok(tonic::Response::new(request.into_inner())))
    }
}

/// Calls the service once.
pub(crate) async fn call<C>(channel: &C) -> Result<(), tonic::Status>
where
    C: GrpcService<Body> + Clone,
    C::Error: Into<StdError>,
    C::ResponseBody: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + 'static,
{
    let mut client = tonic::client::Grpc::new(channel.clone());
    let ready = client.ready().await;
    ready.map_err(|error| tonic::Status::from_error(error.into()))?;
    let codec = ProstCodec::<Payload, Payload>::default();
    let path = PathAndQuery::from_static(PATH);
    let request = tonic::Request::new(payload());
    let response = client.unary(request, path, codec).await?;
    assert_eq!(response.into_inner(), payload());
    Ok(())
}
