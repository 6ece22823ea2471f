//! What `call` and `bench` share: which server, which descriptors, which data.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use clap_complete::engine::ArgValueCompleter;
use prost_reflect::{DescriptorPool, MethodDescriptor};

use crate::client::channel::{self, Channel};
use crate::client::completion;
use crate::client::connect::{ConnectError, Identity, Tls};
use crate::client::descriptors::{self, DescriptorsError, Source};
use crate::client::metadata::{self, Header};
use crate::client::methods;
use crate::client::registry::{self, Lookup};
use crate::client::target::{Endpoint, Target};
use crate::context::Context;
use crate::error::{Diagnostic, Exit, IoContext, IoFailure, Result, Silent};
use crate::project;
use crate::scaffold::apply;

/// Which server is called, and what is sent to it.
#[derive(Args, Clone, Debug)]
pub struct RpcArgs {
    /// A service's name, `HOST:PORT`, or a URL (http://, https://, consul:///).
    #[arg(value_name = "TARGET", add = ArgValueCompleter::new(completion::services))]
    pub target: Target,
    /// Send this metadata; may be given several times. Values of keys in `-bin` are base64.
    #[arg(short = 'H', long = "header", value_name = "K: V")]
    pub headers: Vec<Header>,
    /// Take the methods from this proto file rather than ask the server; may be given several times.
    #[arg(long = "proto", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub protos: Vec<PathBuf>,
    /// A folder that the imports of `--proto` are relative to; may be given several times.
    #[arg(short = 'I', long = "proto-path", value_name = "DIR", value_hint = ValueHint::DirPath, requires = "protos")]
    pub folders: Vec<PathBuf>,
    /// Take the methods from this encoded FileDescriptorSet.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "protos")]
    pub descriptors: Option<PathBuf>,
    /// Trust the authorities in this PEM file rather than the system's, for `https://` and, by TLS
    /// then, services by their names.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
    /// Be the client of the certificate in this PEM file, for servers that want to know their clients.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "key")]
    pub cert: Option<PathBuf>,
    /// The PEM file with the key of `--cert`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "cert")]
    pub key: Option<PathBuf>,
}

/// A server that answers, and what it offers.
pub struct Session {
    /// The connection to it.
    pub channel: Channel,
    /// Descriptors of its methods.
    pub pool: DescriptorPool,
    /// All addresses of the target, the one of the connection first.
    pub endpoints: Vec<Endpoint>,
    /// How TLS is spoken, where it is.
    pub tls: Option<Tls>,
}

impl RpcArgs {
    /// Whether something was said that means TLS.
    fn wants_tls(&self) -> bool {
        self.ca.is_some() || self.cert.is_some()
    }

    fn identity(&self, directory: &Path) -> Option<Identity> {
        let (certificate, key) = self.cert.as_ref().zip(self.key.as_ref())?;
        Some(Identity {
            certificate: directory.join(certificate),
            key: directory.join(key),
        })
    }

    fn source(&self) -> Source {
        if let Some(path) = &self.descriptors {
            Source::File(path.clone())
        } else if self.protos.is_empty() {
            Source::Reflection
        } else {
            Source::Protos {
                files: self.protos.clone(),
                folders: self.folders.clone(),
            }
        }
    }
}

/// Finds the target, connects to it and learns its methods: at least that of the service that `method`
/// names in full.
///
/// # Errors
/// When any of that fails; exit code 3 when the target cannot be reached.
pub async fn open(context: &Context, args: &RpcArgs, method: Option<&str>) -> Result<Session> {
    apply::recover_above(&context.directory)?;
    // What is wrong with the user's own files is told without a server.
    let given = match args.source() {
        Source::Reflection => None,
        Source::File(path) => Some(descriptors::from_file(&context.directory.join(path))?),
        Source::Protos { files, folders } => Some(descriptors::from_protos(
            &context.directory,
            &files,
            &folders,
        )?),
    };
    let lookup = Lookup {
        directory: &context.directory,
        consul_address: context.environment.consul_http_addr.as_deref(),
        consul_token: context.environment.consul_http_token.as_deref(),
    };
    let mut endpoints = registry::resolve(&args.target, lookup).await?;
    // Registries do not say whether TLS is spoken there; who names certificates does.
    if matches!(args.target, Target::Service(_)) && args.wants_tls() {
        endpoints.iter_mut().for_each(|it| it.tls = true);
    }
    let tls = match endpoints.iter().any(|endpoint| endpoint.tls) {
        true => {
            let ca = args.ca.as_ref().map(|path| context.directory.join(path));
            let identity = args.identity(&context.directory);
            Some(Tls::new(ca.as_deref(), identity.as_ref())?)
        }
        false => None,
    };
    let (channel, index) = connect_to_any(&endpoints, tls.as_ref()).await?;
    endpoints.swap(0, index);
    if let Target::Service(name) = &args.target {
        let endpoint = channel.endpoint();
        context
            .printer
            .detail(format_args!("* {name} is at {endpoint}"));
    }
    let pool = match given {
        Some(pool) => pool,
        None => reflect(context, args, &channel, method).await?,
    };
    Ok(Session {
        channel,
        pool,
        endpoints,
        tls,
    })
}

/// A connection to the first of several addresses that accepts one, and its index.
async fn connect_to_any(
    endpoints: &[Endpoint],
    tls: Option<&Tls>,
) -> Result<(Channel, usize), ConnectError> {
    let mut failure = None;
    for (index, endpoint) in endpoints.iter().enumerate() {
        match channel::open(endpoint, tls).await {
            Ok(channel) => return Ok((channel, index)),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.expect("a target has at least one address"))
}

/// Asks the server; a service of the workspace that does not offer reflection is known by the
/// workspace's own descriptors.
async fn reflect(
    context: &Context,
    args: &RpcArgs,
    channel: &Channel,
    method: Option<&str>,
) -> Result<DescriptorPool> {
    let headers = metadata::to_map(&args.headers);
    let error = match descriptors::by_reflection(channel, &headers, method).await {
        Ok(pool) => return Ok(pool),
        Err(error) => error,
    };
    if matches!(error, DescriptorsError::NoReflection { .. })
        && matches!(args.target, Target::Service(_))
        && let Some(project) = project::find_if_any(&context.directory)?
    {
        let path = project.root.join(descriptors::WORKSPACE_FILE);
        if path.is_file() {
            context.printer.detail(format_args!(
                "* no reflection: the methods are those of `{}`",
                path.display()
            ));
            return Ok(descriptors::from_file(&path)?);
        }
    }
    Err(error.into())
}

/// Reads `JSON`, `@FILE` or `-` to its end; gives the text and where it stands.
///
/// # Errors
/// When the file or stdin cannot be read.
pub fn read_data(context: &Context, data: &str) -> Result<(String, String), IoFailure> {
    if data == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(|source| IoFailure {
                attempt: "read stdin".to_owned(),
                source,
            })?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        return Ok((text, "stdin".to_owned()));
    }
    match data.strip_prefix('@') {
        None => Ok((data.to_owned(), "-d".to_owned())),
        Some(path) => {
            let bytes = std::fs::read(context.directory.join(path)).when("read", path)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok((text, path.to_owned()))
        }
    }
}

/// Several requests for a method that takes one.
#[derive(Debug, thiserror::Error)]
#[error("`{method}` takes one request, but there are {count}")]
pub struct TooManyRequests {
    method: String,
    count: usize,
}

impl Diagnostic for TooManyRequests {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Refuses more than one request for a method that takes one.
///
/// # Errors
/// [`TooManyRequests`].
pub fn check_single(method: &MethodDescriptor, count: usize) -> Result<(), TooManyRequests> {
    if count <= 1 {
        return Ok(());
    }
    Err(TooManyRequests {
        method: methods::full_name(method),
        count,
    })
}

/// Runs a future to its end or to Ctrl-C, whichever is first.
///
/// # Errors
/// Those of the future; exit code 130 after Ctrl-C.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| IoFailure {
            attempt: "start the runtime".to_owned(),
            source,
        })?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = future => outcome,
            _ = tokio::signal::ctrl_c() => Err(Silent(Exit::Interrupted).into()),
        }
    });
    // The look-up of a host's name cannot be interrupted, and is not waited for.
    runtime.shutdown_background();
    outcome
}
