//! `msvc cert`: an authority and certificates, for TLS between services in development.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde::Serialize;

use crate::certificates::{Authority, Request, spiffe_id};
use crate::context::Context;
use crate::error::{Diagnostic, Exit, IoContext, IoFailure, Result};
use crate::project;
use crate::scaffold::names::ServiceName;

/// What the files of the authority are called.
const AUTHORITY: &str = "ca";

/// Arguments of `msvc cert`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc cert                                      for each service of the workspace\n  \
    msvc cert user-service gateway                 for these\n  \
    msvc cert user-service --name users.shop.svc   with one more name\n  \
    msvc cert user-service --force                 a new one, of the same authority\n\n\
    Then, in config/dev.toml of a service:\n  \
    [server.tls]\n  \
    enabled = true\n  \
    cert = \"../../certs/user-service.pem\"    # from the folder of the service, where it runs\n  \
    key = \"../../certs/user-service.key\"\n  \
    client_ca = \"../../certs/ca.pem\"         # clients must have a certificate too\n\n\
    And in crates/chassis/Cargo.toml, for TLS is a Cargo feature:\n  \
    default = [\"tls\"]\n\n\
    The authority is made once and used again. Whoever has `ca.key` can be any of your services:\n\
    use it for development only. Remove `ca.pem` and `ca.key` to make another one.")]
pub struct CertArgs {
    /// The services to make certificates for [default: those of the workspace].
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The folder for certificates and keys.
    #[arg(long, value_name = "DIR", default_value = "certs", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// One more DNS name or IP address in the certificates; again for more. They have the
    /// service's name, `localhost`, 127.0.0.1 and ::1.
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,
    /// The trust domain of the SPIFFE IDs in them: `spiffe://DOMAIN/SERVICE`.
    #[arg(long, value_name = "DOMAIN", default_value = "dev")]
    pub trust_domain: String,
    /// How long they are valid.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub days: u32,
    /// Replace certificates and keys that are there already.
    #[arg(long)]
    pub force: bool,
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
enum CertError {
    #[error("no service was named, and this is not a workspace that has some")]
    NoService,
    #[error("`{0}` is the name of the authority's files")]
    Authority(ServiceName),
    #[error("{} there already", list(.0))]
    Exists(Vec<PathBuf>),
    #[error("`{}` is there and `{}` is not", .there.display(), .missing.display())]
    HalfAuthority { there: PathBuf, missing: PathBuf },
}

impl Diagnostic for CertError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoService => "name one: `msvc cert user-service`".to_owned(),
            Self::Authority(_) => "choose another name".to_owned(),
            Self::Exists(_) => "add `--force` to replace them".to_owned(),
            Self::HalfAuthority { .. } => {
                "bring it back, or remove the other to make another authority".to_owned()
            }
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NoService | Self::Authority(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    let verb = if paths.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}

/// What was made, as it is printed.
#[derive(Debug, Serialize)]
struct Report {
    authority: AuthorityReport,
    certificates: Vec<CertificateReport>,
    /// The certificates that were there already.
    kept: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct AuthorityReport {
    certificate: PathBuf,
    created: bool,
}

#[derive(Debug, Serialize)]
struct CertificateReport {
    service: ServiceName,
    certificate: PathBuf,
    key: PathBuf,
    spiffe_id: String,
    days: u32,
}

/// Runs `msvc cert`.
///
/// # Errors
/// When a name does not do or a file cannot be written. What is there already is not touched
/// without `--force`: it is an error where a service is named, and fine where all are meant.
pub fn run(context: &Context, args: CertArgs) -> Result {
    let services = services(context, &args)?;
    // Relative to the folder that the command works in, in messages too.
    let folder = Folder {
        root: context.directory.clone(),
        out: args.out.clone(),
        force: args.force,
    };
    // Of a workspace that has grown, those that are new are meant.
    let is_whole = |service: &ServiceName| {
        [folder.certificate(service), folder.key(service)]
            .iter()
            .all(|path| context.directory.join(path).exists())
    };
    let (kept, services): (Vec<_>, Vec<_>) = services
        .into_iter()
        .partition(|service| args.services.is_empty() && !args.force && is_whole(service));
    let existing: Vec<PathBuf> = services
        .iter()
        .flat_map(|service| [folder.certificate(service), folder.key(service)])
        .filter(|path| context.directory.join(path).exists())
        .collect();
    if !args.force && !existing.is_empty() {
        return Err(CertError::Exists(existing).into());
    }

    let (authority, created) = folder.authority()?;
    let mut certificates = Vec::new();
    // All are made before the first is written.
    let mut made = Vec::new();
    for service in services {
        made.push(authority.issue(&Request {
            service: &service,
            trust_domain: &args.trust_domain,
            names: &args.name,
            days: args.days,
        })?);
        certificates.push(CertificateReport {
            certificate: folder.certificate(&service),
            key: folder.key(&service),
            spiffe_id: spiffe_id(&args.trust_domain, &service)?,
            days: args.days,
            service,
        });
    }
    if let Some(pair) = &created {
        folder.create()?;
        folder.write(&folder.key(AUTHORITY), &pair.key, Access::Owner)?;
        folder.write(
            &folder.certificate(AUTHORITY),
            &pair.certificate,
            Access::All,
        )?;
    }
    for (report, pair) in certificates.iter().zip(&made) {
        folder.write(&report.key, &pair.key, Access::Owner)?;
        folder.write(&report.certificate, &pair.certificate, Access::All)?;
    }

    let report = Report {
        kept: kept.iter().map(|it| folder.certificate(it)).collect(),
        authority: AuthorityReport {
            certificate: folder.certificate(AUTHORITY),
            created: created.is_some(),
        },
        certificates,
    };
    if context.printer.is_json() {
        return context.printer.json(&report);
    }
    let authority = report.authority.certificate.display();
    match report.authority.created {
        true => context
            .printer
            .step("Created", format_args!("{authority}, the authority")),
        false => context
            .printer
            .step("Using", format_args!("{authority}, the authority")),
    }
    for path in &report.kept {
        context.printer.step("Fresh", path.display());
    }
    for certificate in &report.certificates {
        let path = certificate.certificate.display();
        let id = &certificate.spiffe_id;
        context
            .printer
            .step("Created", format_args!("{path}, {id}"));
    }
    let project = project::find_if_any(&context.directory).ok().flatten();
    if let Some(hint) = project.and_then(|project| project.how_to_turn_on("tls")) {
        context
            .printer
            .hint(format_args!("services are built without TLS: {hint}"));
    }
    Ok(())
}

fn services(context: &Context, args: &CertArgs) -> Result<Vec<ServiceName>> {
    let mut services = Vec::new();
    for name in &args.services {
        services.push(ServiceName::parse(name)?);
    }
    if services.is_empty()
        && let Some(project) = project::find_if_any(&context.directory)?
    {
        services = project.manifest.services.into_keys().collect();
    }
    if let Some(authority) = services.iter().find(|name| name.to_string() == AUTHORITY) {
        return Err(CertError::Authority(authority.clone()).into());
    }
    services.sort();
    services.dedup();
    match services.is_empty() {
        true => Err(CertError::NoService.into()),
        false => Ok(services),
    }
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Owner,
    All,
}

/// Where everything is written.
struct Folder {
    root: PathBuf,
    out: PathBuf,
    force: bool,
}

impl Folder {
    fn certificate(&self, name: impl std::fmt::Display) -> PathBuf {
        self.out.join(format!("{name}.pem"))
    }

    fn key(&self, name: impl std::fmt::Display) -> PathBuf {
        self.out.join(format!("{name}.key"))
    }

    /// The authority that is there, or a new one with what to write of it.
    fn authority(&self) -> Result<(Authority, Option<crate::certificates::Pair>)> {
        let (certificate, key) = (self.certificate(AUTHORITY), self.key(AUTHORITY));
        let is_there = |path: &Path| self.root.join(path).exists();
        match (is_there(&certificate), is_there(&key)) {
            (true, true) => {
                let text = fs::read_to_string(self.root.join(&key)).when("read", &key)?;
                Ok((Authority::from_key(&text)?, None))
            }
            (false, false) => {
                let (authority, pair) = Authority::generate()?;
                Ok((authority, Some(pair)))
            }
            (true, false) => Err(CertError::HalfAuthority {
                there: certificate,
                missing: key,
            }
            .into()),
            (false, true) => Err(CertError::HalfAuthority {
                there: key,
                missing: certificate,
            }
            .into()),
        }
    }

    /// Makes the folder, in which git is told to leave everything alone: keys are not checked in.
    fn create(&self) -> Result<(), IoFailure> {
        let folder = self.root.join(&self.out);
        fs::create_dir_all(&folder).when("create", &self.out)?;
        let ignore = self.out.join(".gitignore");
        match self.root.join(&ignore).exists() {
            true => Ok(()),
            false => self.write(&ignore, "*\n", Access::All),
        }
    }

    /// Writes a file as a whole: it is there with all of `text`, or it is not there. One that is
    /// there already is replaced only by force, even if it was not there a moment ago.
    fn write(&self, path: &Path, text: &str, access: Access) -> Result<(), IoFailure> {
        let target = self.root.join(path);
        let draft = target.with_extension(format!("draft-{}", std::process::id()));
        let written = (|| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt;
                options.mode(match access {
                    Access::Owner => 0o600,
                    Access::All => 0o644,
                });
            }
            #[cfg(not(unix))]
            let _ = access;
            let mut file = options.open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            match self.force {
                true => fs::rename(&draft, &target),
                // A link, unlike a rename, fails where there is something.
                false => fs::hard_link(&draft, &target),
            }
        })();
        let removed = fs::remove_file(&draft);
        written.when("write", path)?;
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).when("remove", &draft)
            }
            _ => Ok(()),
        }
    }
}
