//! Asking a server for its descriptors: gRPC server reflection, version 1, else 1alpha, which has the
//! same messages under another name (<https://grpc.io/docs/guides/reflection/>).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use http::uri::PathAndQuery;
use prost::Message;
use prost_types::FileDescriptorProto;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::client::CONNECT_TIMEOUT;
use crate::client::channel::Channel;

/// The methods of the two versions, the current one first.
const VERSIONS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
/// The most files that are taken from a server, against one that makes up ever new ones.
const MOST_FILES: usize = 50_000;

/// Why a server's descriptors are not to be had.
#[derive(Debug)]
pub enum ReflectionError {
    /// The server does not offer reflection.
    Unsupported,
    /// The server does not answer in time.
    TimedOut,
    /// Asking failed.
    Status(Box<Status>),
    /// The answer makes no sense.
    Nonsense(String),
}

impl From<Status> for ReflectionError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// One conversation with a server about its descriptors.
pub struct Reflection {
    requests: mpsc::Sender<ServerReflectionRequest>,
    responses: Streaming<ServerReflectionResponse>,
}

/// Starts the conversation and asks for the full names of the server's services, sorted.
///
/// # Errors
/// [`ReflectionError`]; every answer is waited for no longer than
/// [`CONNECT_TIMEOUT`].
pub async fn start(
    channel: &Channel,
    metadata: &tonic::metadata::MetadataMap,
) -> Result<(Reflection, Vec<String>), ReflectionError> {
    for path in VERSIONS {
        match timeout(CONNECT_TIMEOUT, start_version(channel, metadata, path)).await {
            Err(_) => return Err(ReflectionError::TimedOut),
            Ok(Err(ReflectionError::Status(status))) if status.code() == Code::Unimplemented => {}
            Ok(outcome) => return outcome,
        }
    }
    Err(ReflectionError::Unsupported)
}

async fn start_version(
    channel: &Channel,
    metadata: &tonic::metadata::MetadataMap,
    path: &'static str,
) -> Result<(Reflection, Vec<String>), ReflectionError> {
    let (requests, receiver) = mpsc::channel(1);
    let ask = MessageRequest::ListServices(String::new());
    // The first question goes out before the answer's head comes, for some servers wait for it.
    requests
        .try_send(request(ask))
        .expect("the queue is empty and its receiver alive");
    let mut call = Request::new(ReceiverStream::new(receiver));
    *call.metadata_mut() = metadata.clone();
    let codec: ProstCodec<ServerReflectionRequest, ServerReflectionResponse> =
        ProstCodec::default();
    let responses = channel
        .grpc()
        .streaming(call, PathAndQuery::from_static(path), codec)
        .await?
        .into_inner();
    let mut reflection = Reflection {
        requests,
        responses,
    };
    match reflection.answer().await? {
        MessageResponse::ListServicesResponse(list) => {
            let names: BTreeSet<String> = list.service.into_iter().map(|each| each.name).collect();
            Ok((reflection, names.into_iter().collect()))
        }
        other => Err(unexpected(other)),
    }
}

fn request(message: MessageRequest) -> ServerReflectionRequest {
    ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    }
}

fn unexpected(response: MessageResponse) -> ReflectionError {
    match response {
        MessageResponse::ErrorResponse(error) => {
            Status::new(Code::from(error.error_code), error.error_message).into()
        }
        _ => ReflectionError::Nonsense("an answer to another question".to_owned()),
    }
}

impl Reflection {
    /// The files that declare these symbols, and all that they import.
    ///
    /// # Errors
    /// As [`start`].
    pub async fn files(
        &mut self,
        symbols: &[String],
    ) -> Result<Vec<FileDescriptorProto>, ReflectionError> {
        let mut files = BTreeMap::new();
        for symbol in symbols {
            self.fetch(
                MessageRequest::FileContainingSymbol(symbol.clone()),
                &mut files,
            )
            .await?;
        }
        let mut missing: VecDeque<String> = dependencies(&files);
        let mut asked = BTreeSet::new();
        while let Some(name) = missing.pop_front() {
            if files.contains_key(&name) || !asked.insert(name.clone()) {
                continue;
            }
            if files.len() > MOST_FILES {
                return Err(ReflectionError::Nonsense(format!(
                    "more than {MOST_FILES} files"
                )));
            }
            let ask = MessageRequest::FileByFilename(name.clone());
            match self.fetch(ask, &mut files).await {
                Ok(()) => {}
                // Servers may lack the files that everyone has.
                Err(error) => match well_known(&name) {
                    Some(file) => {
                        files.insert(name, file);
                    }
                    None => return Err(error),
                },
            }
            missing.extend(dependencies(&files));
        }
        Ok(files.into_values().collect())
    }

    async fn fetch(
        &mut self,
        message: MessageRequest,
        files: &mut BTreeMap<String, FileDescriptorProto>,
    ) -> Result<(), ReflectionError> {
        let gone = |_| ReflectionError::Nonsense("the conversation ended early".to_owned());
        self.requests.send(request(message)).await.map_err(gone)?;
        let answer = timeout(CONNECT_TIMEOUT, self.answer())
            .await
            .map_err(|_| ReflectionError::TimedOut)??;
        let MessageResponse::FileDescriptorResponse(response) = answer else {
            return Err(unexpected(answer));
        };
        for bytes in response.file_descriptor_proto {
            let file = FileDescriptorProto::decode(bytes.as_slice())
                .map_err(|error| ReflectionError::Nonsense(error.to_string()))?;
            files.entry(file.name().to_owned()).or_insert(file);
        }
        Ok(())
    }

    async fn answer(&mut self) -> Result<MessageResponse, ReflectionError> {
        let response = self.responses.message().await?;
        response
            .and_then(|response| response.message_response)
            .ok_or_else(|| ReflectionError::Nonsense("an empty answer".to_owned()))
    }
}

fn dependencies(files: &BTreeMap<String, FileDescriptorProto>) -> VecDeque<String> {
    files
        .values()
        .flat_map(|file| &file.dependency)
        .filter(|name| !files.contains_key(*name))
        .cloned()
        .collect()
}

fn well_known(name: &str) -> Option<FileDescriptorProto> {
    prost_reflect::DescriptorPool::global()
        .get_file_by_name(name)
        .map(|file| file.file_descriptor_proto().clone())
}
