//! Certificates for development: an authority, and what it signs. Nothing here touches files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::error::Diagnostic;
use crate::scaffold::names::ServiceName;

/// The name of the authority. It never changes, so the authority can be made again of its key.
const AUTHORITY: &str = "msvc development authority";

/// How long the authority is valid.
const AUTHORITY_DAYS: u32 = 3_650;

/// Certificates are valid from so long ago, for machines whose clocks differ.
const BACKDATED: Duration = Duration::from_secs(3_600);

const SECONDS_OF_DAY: u64 = 86_400;

/// A certificate with its private key, both in the PEM format.
#[derive(Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key, which is nobody else's business.
    pub key: String,
}

/// Whoever signs.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate is for.
#[derive(Debug)]
pub struct Request<'a> {
    /// The service: its name, and that of its host where services find each other by name.
    pub service: &'a ServiceName,
    /// The trust domain of its SPIFFE ID.
    pub trust_domain: &'a str,
    /// Other DNS names and IP addresses.
    pub names: &'a [String],
    /// How long it is valid.
    pub days: u32,
}

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A key cannot be read.
    #[error("the key of the authority cannot be used")]
    AuthorityKey(#[source] rcgen::Error),
    /// A name is none.
    #[error("`{name}` is neither a DNS name nor an IP address")]
    Name {
        /// As it was given.
        name: String,
    },
    /// The trust domain is none.
    #[error("`{0}` is not a trust domain: lowercase letters, digits, dots, dashes, underscores")]
    TrustDomain(String),
    /// The library failed.
    #[error("failed to make a certificate")]
    Other(#[from] rcgen::Error),
}

impl Diagnostic for CertificateError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::AuthorityKey(_) => {
                Some("remove `ca.pem` and `ca.key` to make another authority".to_owned())
            }
            _ => None,
        }
    }
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<(Self, Pair), CertificateError> {
        let key = KeyPair::generate()?;
        let pair = Pair {
            certificate: authority_params().self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        };
        let issuer = Issuer::new(authority_params(), key);
        Ok((Self { issuer }, pair))
    }

    /// The one that [`Authority::generate`] made with this key.
    ///
    /// # Errors
    /// When `key` is not one.
    pub fn from_key(key: &str) -> Result<Self, CertificateError> {
        let key = KeyPair::from_pem(key).map_err(CertificateError::AuthorityKey)?;
        let issuer = Issuer::new(authority_params(), key);
        Ok(Self { issuer })
    }

    /// Signs a certificate that serves and calls.
    ///
    /// # Errors
    /// When a name is none.
    pub fn issue(&self, request: &Request<'_>) -> Result<Pair, CertificateError> {
        let mut params = CertificateParams::default();
        let service = request.service.to_string();
        params
            .distinguished_name
            .push(DnType::CommonName, service.clone());
        params.subject_alt_names = vec![
            dns(&service)?,
            dns("localhost")?,
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            SanType::URI(spiffe_id(request.trust_domain, request.service)?.try_into()?),
        ];
        for name in request.names {
            params.subject_alt_names.push(match name.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => dns(name)?,
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, request.days);
        let key = KeyPair::generate()?;
        Ok(Pair {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// `spiffe://dev/user-service` (SPIFFE ID, section 2).
///
/// # Errors
/// When the trust domain is not one.
pub fn spiffe_id(trust_domain: &str, service: &ServiceName) -> Result<String, CertificateError> {
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '-' | '_');
    match !trust_domain.is_empty() && trust_domain.chars().all(allowed) {
        true => Ok(format!("spiffe://{trust_domain}/{service}")),
        false => Err(CertificateError::TrustDomain(trust_domain.to_owned())),
    }
}

fn dns(name: &str) -> Result<SanType, CertificateError> {
    let labels = name.strip_prefix("*.").unwrap_or(name).split('.');
    let is_label = |label: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (1..=63).contains(&label.len()) && label.chars().all(allowed)
    };
    let invalid = || CertificateError::Name {
        name: name.to_owned(),
    };
    match labels.clone().all(is_label) {
        true => Ok(SanType::DnsName(name.try_into().map_err(|_| invalid())?)),
        false => Err(invalid()),
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, AUTHORITY_DAYS);
    params
}

fn set_validity(params: &mut CertificateParams, days: u32) {
    let now = SystemTime::now();
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + Duration::from_secs(u64::from(days) * SECONDS_OF_DAY)).into();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> ServiceName {
        ServiceName::parse("user-service").expect("a name")
    }

    #[test]
    fn names_and_trust_domains_are_checked() {
        let (authority, _) = Authority::generate().expect("randomness");
        let issue = |trust_domain: &str, name: &str| {
            let service = service();
            let names = [name.to_owned()];
            let request = Request {
                service: &service,
                trust_domain,
                names: &names,
                days: 1,
            };
            authority.issue(&request).map_err(|error| error.to_string())
        };
        for name in ["users.shop.svc", "*.shop.svc", "10.0.0.7", "fd00::7"] {
            assert!(issue("dev", name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a..b", "*.*.b", "http://a"] {
            let error = issue("dev", name).expect_err(name);
            let expected = format!("`{name}` is neither a DNS name nor an IP address");
            assert_eq!(error, expected);
        }
        for domain in ["", "Dev", "a/b", "a b"] {
            assert!(issue(domain, "localhost").is_err(), "{domain}");
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        let error = Authority::from_key("nothing").expect_err("no key");
        assert_eq!(error.to_string(), "the key of the authority cannot be used");
    }
}
