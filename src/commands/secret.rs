//! `msvc secret`: encrypted values for the configuration of services.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use serde::Serialize;

use crate::context::Context;
use crate::env_vars::APP_CONFIG_KEY;
use crate::error::{Diagnostic, Exit, IoContext, IoFailure, Result};
use crate::project;
use crate::secret;

/// The subcommands of `msvc secret`.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Make a key.
    ///
    /// The key encrypts and decrypts: keep it where you keep other keys, and out of git.
    #[command(after_help = "Examples:\n  \
        (umask 077; msvc secret keygen > config.key)      a key in a file for you alone\n  \
        APP_CONFIG_KEY_FILE=$PWD/config.key msvc run      services that decrypt with it")]
    Keygen,
    /// Encrypt a value, which is read from stdin.
    ///
    /// The result can stand wherever a service reads a setting of type `Secret`: in its files, its
    /// variables, Consul or etcd. The service finds the key in the variable APP_CONFIG_KEY, or in
    /// the file that APP_CONFIG_KEY_FILE names.
    #[command(after_help = "Examples:\n  \
        msvc secret encrypt --key-file config.key < password.txt\n  \
        pass show db | msvc secret encrypt                the key is in APP_CONFIG_KEY\n\n\
        Then, in config/prod.toml of a service:\n  \
        [app]\n  \
        password = \"enc:v1:…\"\n\n\
        And in crates/chassis/Cargo.toml, for decryption is a Cargo feature:\n  \
        default = [\"secrets\"]")]
    Encrypt(EncryptArgs),
}

/// Arguments of `msvc secret encrypt`.
#[derive(Args, Debug)]
pub struct EncryptArgs {
    /// The file with the key [default: the key is in the variable APP_CONFIG_KEY].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key_file: Option<PathBuf>,
}

/// Why there is no encrypted value.
#[derive(Debug, thiserror::Error)]
enum EncryptError {
    #[error("there is no key")]
    NoKey,
    #[error("the value is not UTF-8")]
    NotText,
    #[error("there is no value on stdin")]
    NoValue,
}

impl Diagnostic for EncryptError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoKey => Some(format!(
                "name its file by `--key-file`, or set {APP_CONFIG_KEY}; `msvc secret keygen` makes one"
            )),
            Self::NoValue => Some("hand it over: `msvc secret encrypt < password.txt`".to_owned()),
            Self::NotText => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NoKey | Self::NoValue => Exit::Usage,
            Self::NotText => Exit::Failed,
        }
    }
}

#[derive(Debug, Serialize)]
struct KeyReport {
    key: String,
}

#[derive(Debug, Serialize)]
struct ValueReport {
    value: String,
}

/// Runs `msvc secret`.
///
/// # Errors
/// When there is no key or no value, or one of them cannot be read.
pub fn run(context: &Context, command: SecretCommand) -> Result {
    match command {
        SecretCommand::Keygen => {
            let key = secret::generate_key()?;
            match context.printer.is_json() {
                true => context.printer.json(&KeyReport { key }),
                false => context.printer.data(&format!("{key}\n")),
            }
        }
        SecretCommand::Encrypt(args) => {
            let key = key(context, &args)?;
            let value = secret::seal(&key, &value(context)?)?;
            if context.printer.is_json() {
                return context.printer.json(&ValueReport { value });
            }
            context.printer.data(&format!("{value}\n"))?;
            let project = project::find_if_any(&context.directory).ok().flatten();
            if let Some(hint) = project.and_then(|project| project.how_to_turn_on("secrets")) {
                context.printer.hint(format_args!(
                    "services are built without decryption: {hint}"
                ));
            }
            Ok(())
        }
    }
}

fn key(context: &Context, args: &EncryptArgs) -> Result<String> {
    match (&args.key_file, &context.environment.app_config_key) {
        (Some(path), _) => Ok(fs::read_to_string(context.directory.join(path)).when("read", path)?),
        (None, Some(key)) => Ok(key.clone()),
        (None, None) => Err(EncryptError::NoKey.into()),
    }
}

/// What is on stdin, without the newline that ends it.
fn value(context: &Context) -> Result<String> {
    if io::stdin().is_terminal() {
        context
            .printer
            .line("reading the value from stdin; end it with Ctrl-D");
    }
    let mut bytes = Vec::new();
    let read = io::stdin().read_to_end(&mut bytes);
    read.map_err(|source| IoFailure {
        attempt: "read stdin".to_owned(),
        source,
    })?;
    let mut text = String::from_utf8(bytes).map_err(|_| EncryptError::NotText)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    match text.is_empty() {
        true => Err(EncryptError::NoValue.into()),
        false => Ok(text),
    }
}
