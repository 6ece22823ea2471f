//! The two things that are wanted of a certificate and that the TLS library keeps to itself: when
//! it is valid, and its common name. DER is read as far as that takes (X.690; RFC 5280, section
//! 4.1); whatever is not as expected is not there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::identity::{Names, PeerIdentity};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, where a version is written.
const VERSION: u8 = 0xa0;
/// 2.5.4.3, `id-at-commonName`.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

const SECONDS_OF_DAY: u64 = 86_400;

/// When a certificate is valid.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
}

/// When `certificate` is valid.
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let mut validity = Elements(body(certificate)?.validity);
    Some(Validity {
        from: time(validity.next()?)?,
        until: time(validity.next()?)?,
    })
}

/// Who `certificate` is of; `None` when it is not one. It has been verified before.
pub(super) fn identity(certificate: &CertificateDer<'_>) -> Option<PeerIdentity> {
    let verified = EndEntityCert::try_from(certificate).ok()?;
    let owned = |name: &str| name.to_owned();
    Some(PeerIdentity::new(Names {
        uris: verified.valid_uri_names().map(owned).collect(),
        dns_names: verified.valid_dns_names().map(owned).collect(),
        common_name: body(certificate).and_then(|body| common_name(body.subject)),
    }))
}

struct Body<'a> {
    validity: &'a [u8],
    subject: &'a [u8],
}

fn body(certificate: &[u8]) -> Option<Body<'_>> {
    let certificate = Elements(certificate).expect(SEQUENCE)?;
    let mut fields = Elements(Elements(certificate).expect(SEQUENCE)?);
    let (tag, _) = fields.next()?;
    if tag == VERSION {
        let _serial_number = fields.next()?;
    }
    let _signature_algorithm = fields.expect(SEQUENCE)?;
    let _issuer = fields.expect(SEQUENCE)?;
    Some(Body {
        validity: fields.expect(SEQUENCE)?,
        subject: fields.expect(SEQUENCE)?,
    })
}

/// The last one, which is the most specific.
fn common_name(subject: &[u8]) -> Option<String> {
    let sets = Elements(subject).filter(|(tag, _)| *tag == SET);
    let attributes = sets.flat_map(|(_, set)| Elements(set));
    let names = attributes.filter_map(|(_, attribute)| {
        let mut fields = Elements(attribute);
        let is_name = fields.expect(OBJECT_IDENTIFIER)? == COMMON_NAME;
        let (_, value) = fields.next()?;
        is_name.then(|| String::from_utf8(value.to_vec()).ok())?
    });
    names.last()
}

/// `YYMMDDHHMMSSZ` up to 2049, `YYYYMMDDHHMMSSZ` after it (RFC 5280, section 4.1.2.5).
fn time((tag, text): (u8, &[u8])) -> Option<SystemTime> {
    let digits = text.strip_suffix(b"Z")?;
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number, digit| match digit {
            b'0'..=b'9' => Some(number * 10 + u64::from(digit - b'0')),
            _ => None,
        })
    };
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let [month, day, hour, minute, second] = match rest.len() {
        10 => [0, 2, 4, 6, 8].map(|at| number(&rest[at..at + 2])),
        _ => return None,
    };
    let days = days_since_epoch(year, month?, day?)?;
    let seconds = days * SECONDS_OF_DAY + hour? * 3_600 + minute? * 60 + second?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The days from 1970 to a Gregorian date (Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `days_from_civil`); `None` for what is before.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year.checked_sub(u64::from(month <= 2))?;
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

/// The elements of DER, each with its tag and what is in it. It ends where they are malformed.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The next one, if it is of the type `tag`.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.next()?;
        (found == tag).then_some(content)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (length, rest) = match length {
            0..=0x7f => (usize::from(*length), rest),
            // Longer ones have the number of bytes of their length first.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::pki_types::pem::PemObject;

    use super::*;

    /// Of `CN=user-service, O=shop`, from 2026-01-02T03:04:05Z to 2051-06-07T08:09:10Z.
    const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBnjCCAUSgAwIBAgIBATAKBggqhkjOPQQDAjAmMQ0wCwYDVQQKDARzaG9wMRUw
EwYDVQQDDAx1c2VyLXNlcnZpY2UwIBcNMjYwMTAyMDMwNDA1WhgPMjA1MTA2MDcw
ODA5MTBaMCYxDTALBgNVBAoMBHNob3AxFTATBgNVBAMMDHVzZXItc2VydmljZTBZ
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABNTtYI0TRnLoCxD+A94kGBfwrjSNePB3
Oj7Axke4iddjJGxhBOU0f7DDkFUjYc3tdOPtCuj6i9GH7hMzIH0RKzWjYTBfMD4G
A1UdEQQ3MDWCDHVzZXItc2VydmljZYIJbG9jYWxob3N0hhpzcGlmZmU6Ly9zaG9w
L3VzZXItc2VydmljZTAdBgNVHQ4EFgQUfaJxz1pLFFP0bpjjMIocZf2nf5AwCgYI
KoZIzj0EAwIDSAAwRQIhAMTG37cs/0p9ntH3/SwIaRizS9xt22Ik+Dnf3P+RIBTG
AiA/p8HbYxb4cs9S+Tizs6u0r3THRDQFG2Q7pGRyW2ra6Q==
-----END CERTIFICATE-----
";

    fn certificate() -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate")
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_validity_is_read_in_both_forms() {
        let expected = Validity {
            from: at(1_767_323_045),
            until: at(2_569_738_150),
        };
        assert_eq!(validity(&certificate()), Some(expected));
    }

    #[test]
    fn the_names_are_those_of_the_subject_and_the_alternatives() {
        let expected = PeerIdentity::new(Names {
            uris: vec!["spiffe://shop/user-service".to_owned()],
            dns_names: vec!["user-service".to_owned(), "localhost".to_owned()],
            common_name: Some("user-service".to_owned()),
        });
        assert_eq!(identity(&certificate()), Some(expected));
    }

    #[test]
    fn nothing_is_found_in_what_is_cut_or_changed_and_nothing_panics() {
        let whole = certificate();
        for end in 0..whole.len() {
            let cut = CertificateDer::from(&whole[..end]);
            assert_eq!(validity(&cut), None, "{end}");
            assert_eq!(identity(&cut), None, "{end}");
        }
        for at in 0..whole.len() {
            for value in [0, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.to_vec();
                changed[at] = value;
                let changed = CertificateDer::from(changed);
                let _ = (validity(&changed), identity(&changed));
            }
        }
    }

    #[test]
    fn times_that_are_none_are_not_there() {
        assert_eq!(time((UTC_TIME, b"700101000000Z")), Some(at(0)));
        assert_eq!(time((UTC_TIME, b"491231235959Z")), Some(at(2_524_607_999)));
        for text in [
            &b""[..],
            b"Z",
            b"700101000000",
            b"7001010000Z",
            b"70010100000xZ",
            b"701301000000Z",
            b"690101000000Z",
        ] {
            assert_eq!(time((UTC_TIME, text)), None, "{text:?}");
        }
        assert_eq!(time((GENERALIZED_TIME, b"00000101000000Z")), None);
    }
}
