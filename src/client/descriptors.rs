//! Where the descriptors of a server's methods come from: the server itself, protos, or a file.

use std::path::{Path, PathBuf};

use prost_reflect::{DescriptorError, DescriptorPool};
use tonic::metadata::MetadataMap;

use crate::client::channel::Channel;
use crate::client::methods;
use crate::client::reflection::{self, ReflectionError};
use crate::client::status;
use crate::error::{Diagnostic, Exit, IoContext, IoFailure};
use crate::proto::compile::{CompileError, compile};
use crate::proto::entries::{self, EntryError};

/// Where a workspace keeps the encoded descriptors of all its protos.
pub const WORKSPACE_FILE: &str = "crates/protocol/src/descriptors.binpb";

/// Where to take descriptors from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the server, by reflection.
    Reflection,
    /// From proto files, with the folders that their imports are relative to.
    Protos {
        /// The files.
        files: Vec<PathBuf>,
        /// The folders; the files' own when there are none.
        folders: Vec<PathBuf>,
    },
    /// From a file with an encoded `FileDescriptorSet`.
    File(PathBuf),
}

/// Why there are no descriptors.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorsError {
    /// The server does not offer reflection.
    #[error("{endpoint} does not offer reflection, so its methods are not known")]
    NoReflection {
        /// The server.
        endpoint: String,
    },
    /// The server does not answer.
    #[error(
        "{endpoint} did not answer within {} when asked for its methods",
        crate::duration::exact(super::CONNECT_TIMEOUT)
    )]
    TimedOut {
        /// The server.
        endpoint: String,
    },
    /// The server refused.
    #[error("{endpoint} did not tell its methods: {problem}")]
    Refused {
        /// The server.
        endpoint: String,
        /// Its answer.
        problem: String,
        /// Whether the connection broke, rather than the server answered.
        is_transport: bool,
    },
    /// The descriptors contradict themselves.
    #[error("the descriptors from {origin} are not valid")]
    Invalid {
        /// Where they come from.
        origin: String,
        /// What is wrong with them.
        #[source]
        source: DescriptorError,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// A proto does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A proto has no name to compile it by.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

impl Diagnostic for DescriptorsError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoReflection { .. } => Some(
                "give the protos with `--proto FILE -I DIR`, or an encoded descriptor set with \
                 `--descriptors FILE`"
                    .to_owned(),
            ),
            Self::TimedOut { .. } => Some(
                "is it running (not stopped in a debugger), and is it a gRPC server?".to_owned(),
            ),
            Self::Refused { .. } => Some(
                "reflection may need metadata, such as `-H 'authorization: Bearer …'`; else give \
                 the protos with `--proto FILE -I DIR`"
                    .to_owned(),
            ),
            Self::Compile(error) => error.hint(),
            Self::Entry(error) => error.hint(),
            Self::Invalid { .. } | Self::Io(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::TimedOut { .. } => Exit::Unreachable,
            Self::Refused { is_transport, .. } if *is_transport => Exit::Unreachable,
            Self::Entry(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}

/// Takes descriptors from the server, at least of the service that `method` names in full, else of all
/// its services.
///
/// # Errors
/// [`DescriptorsError`] with what to do about it.
pub async fn by_reflection(
    channel: &Channel,
    metadata: &MetadataMap,
    method: Option<&str>,
) -> Result<DescriptorPool, DescriptorsError> {
    let endpoint = channel.endpoint().to_string();
    let failed = |error| match error {
        ReflectionError::Unsupported => DescriptorsError::NoReflection {
            endpoint: endpoint.clone(),
        },
        ReflectionError::TimedOut => DescriptorsError::TimedOut {
            endpoint: endpoint.clone(),
        },
        ReflectionError::Status(error) => DescriptorsError::Refused {
            endpoint: endpoint.clone(),
            problem: status::brief(&error),
            is_transport: status::is_transport(&error),
        },
        ReflectionError::Nonsense(problem) => DescriptorsError::Refused {
            endpoint: endpoint.clone(),
            problem,
            is_transport: false,
        },
    };
    let (mut conversation, mut services) =
        reflection::start(channel, metadata).await.map_err(failed)?;
    if let Some(named) = method.and_then(methods::service_of)
        && services.iter().any(|service| service == named)
    {
        services.retain(|service| service == named);
    }
    let files = conversation.files(&services).await.map_err(failed)?;
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_protos(files)
        .map_err(|source| DescriptorsError::Invalid {
            origin: format!("{endpoint}'s reflection"),
            source,
        })?;
    Ok(pool)
}

/// Takes descriptors from a file with an encoded `FileDescriptorSet`.
///
/// # Errors
/// [`DescriptorsError`] when it cannot be read or is something else.
pub fn from_file(path: &Path) -> Result<DescriptorPool, DescriptorsError> {
    let bytes = std::fs::read(path).when("read", path)?;
    decode(&bytes, &format!("`{}`", path.display()))
}

/// Compiles protos, whose paths are relative to `directory`.
///
/// # Errors
/// [`DescriptorsError`] with the place of the first error in them.
pub fn from_protos(
    directory: &Path,
    files: &[PathBuf],
    folders: &[PathBuf],
) -> Result<DescriptorPool, DescriptorsError> {
    let (sources, names) = entries::resolve(directory, files, folders)?;
    let compiled = compile(&sources, &names)?;
    decode(&compiled.encoded, "the protos")
}

fn decode(bytes: &[u8], origin: &str) -> Result<DescriptorPool, DescriptorsError> {
    DescriptorPool::decode(bytes).map_err(|source| DescriptorsError::Invalid {
        origin: origin.to_owned(),
        source,
    })
}
