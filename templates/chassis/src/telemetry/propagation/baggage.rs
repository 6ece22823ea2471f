//! W3C Baggage: <https://www.w3.org/TR/baggage/>.
//!
//! The SDK's own propagator cuts values at `=`, writes `%` as it is and drops all members when one
//! of them cannot be written; here members stand for themselves.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::baggage::Baggage;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// The most that has to be passed on, in members and in bytes (section 3.3.2, "Limits"). Members
/// beyond are dropped, on the way in and on the way out.
const MAX_MEMBERS: usize = 64;
const MAX_BYTES: usize = 8192;

/// What is not a `baggage-octet`, and the sign that begins what stands for one.
const NOT_IN_VALUES: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b',')
    .add(b';')
    .add(b'\\')
    .add(b'%');

/// The baggage in `headers`, as many of its members as are well-formed and within the limits.
pub(super) fn extract(headers: &HeaderMap) -> Option<Baggage> {
    if !headers.contains_key(&BAGGAGE) {
        return None;
    }
    let mut baggage = Baggage::new();
    let mut bytes = 0;
    let lists = headers.get_all(&BAGGAGE).iter();
    let members = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    for member in members {
        bytes += member.len() + 1;
        // The comma is between members, so the first has none.
        if bytes > MAX_BYTES + 1 || baggage.len() == MAX_MEMBERS {
            break;
        }
        if let Some((key, value, properties)) = parse(member) {
            baggage.insert_with_metadata(key, value, properties);
        }
    }
    (!baggage.is_empty()).then_some(baggage)
}

/// `key = value ; property ; property` as key, value and properties.
fn parse(member: &[u8]) -> Option<(String, String, String)> {
    let (pair, properties) = split_once(member, b';').unwrap_or((member, b""));
    let (key, value) = split_once(pair, b'=')?;
    let (key, value) = (key.trim_ascii(), value.trim_ascii());
    if key.is_empty() || !key.iter().all(is_token) || !value.iter().all(is_octet) {
        return None;
    }
    let value = percent_decode(value).decode_utf8_lossy().into_owned();
    let properties = std::str::from_utf8(properties.trim_ascii()).ok()?;
    match is_properties(properties) {
        true => Some((ascii(key), value, properties.to_owned())),
        false => None,
    }
}

/// Writes `baggage` into `headers`.
pub(super) fn inject(baggage: &Baggage, headers: &mut HeaderMap) {
    let mut list = String::new();
    let mut members = 0;
    for (key, (value, properties)) in baggage {
        if !key.as_str().bytes().all(|byte| is_token(&byte)) {
            continue;
        }
        let before = list.len();
        if members > 0 {
            list.push(',');
        }
        list.push_str(key.as_str());
        list.push('=');
        list.extend(utf8_percent_encode(value.as_str(), NOT_IN_VALUES));
        let properties = properties.as_str().trim();
        if !properties.is_empty() && is_properties(properties) {
            list.push(';');
            list.push_str(properties);
        }
        // One that is too large gives way to the smaller ones after it.
        match list.len() <= MAX_BYTES && members < MAX_MEMBERS {
            true => members += 1,
            false => list.truncate(before),
        }
    }
    if let Ok(list) = HeaderValue::try_from(list)
        && !list.is_empty()
    {
        headers.insert(&BAGGAGE, list);
    }
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// A character of a `token` (RFC 7230, section 3.2.6).
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// A character of a value.
fn is_octet(byte: &u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(byte)
}

/// Whether this can follow a value: properties keep their text, of which we know nothing.
fn is_properties(text: &str) -> bool {
    let is_allowed = |byte: u8| is_octet(&byte) || b"; \t".contains(&byte);
    text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use opentelemetry::baggage::BaggageMetadata;

    use super::*;

    type Members = BTreeMap<String, (String, String)>;

    fn members(lists: &[&[u8]]) -> Members {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(&BAGGAGE, HeaderValue::from_bytes(list).expect("a value"));
        }
        let baggage = extract(&headers).unwrap_or_default();
        let members = baggage.iter().map(|(key, (value, properties))| {
            let properties = properties.as_str().to_owned();
            (key.to_string(), (value.to_string(), properties))
        });
        members.collect()
    }

    fn expected(members: &[(&str, &str, &str)]) -> Members {
        let members = members.iter().map(|(key, value, properties)| {
            ((*key).into(), ((*value).into(), (*properties).into()))
        });
        members.collect()
    }

    fn injected(baggage: &Baggage) -> String {
        let mut headers = HeaderMap::new();
        inject(baggage, &mut headers);
        let list = headers
            .get(&BAGGAGE)
            .map(|list| list.to_str().expect("ASCII"));
        list.unwrap_or_default().to_owned()
    }

    #[test]
    fn members_are_read_from_all_headers() {
        let read = members(&[b"a = 1 ;p;q=2 , b=caf%C3%A9", b"c=eA==,d="]);
        let members = [
            ("a", "1", "p;q=2"),
            ("b", "café", ""),
            ("c", "eA==", ""),
            ("d", "", ""),
        ];
        assert_eq!(read, expected(&members));
    }

    #[test]
    fn a_malformed_member_is_ignored_and_the_others_stay() {
        for malformed in [
            &b""[..],
            b"x",
            b"=1",
            b"x y=1",
            b"(x)=1",
            b"x=a b",
            b"x=\"1\"",
            b"x=\xff",
            b"x=1;p=\xff",
        ] {
            let list = [b"a=1,", malformed, b",b=2"].concat();
            let members = members(&[&list]);
            assert_eq!(members, expected(&[("a", "1", ""), ("b", "2", "")]));
        }
        // What is not UTF-8 is replaced (section 3.3.1.3, "value").
        assert_eq!(members(&[b"x=%ff"]), expected(&[("x", "\u{fffd}", "")]));
    }

    #[test]
    fn what_comes_in_is_bounded() {
        let many: Vec<String> = (0..MAX_MEMBERS + 1).map(|at| format!("k{at}=v")).collect();
        assert_eq!(members(&[many.join(",").as_bytes()]).len(), MAX_MEMBERS);
        let exactly = format!("a=1,b={}", "x".repeat(MAX_BYTES - 6));
        assert_eq!(members(&[exactly.as_bytes()]).len(), 2);
        let more = format!("{exactly}x");
        assert_eq!(members(&[more.as_bytes()]), expected(&[("a", "1", "")]));
    }

    #[test]
    fn what_goes_out_reads_back_whatever_it_holds() {
        let mut baggage = Baggage::new();
        baggage.insert("key", "100% \"a\",b;c\\ é\n=");
        let list = injected(&baggage);
        assert_eq!(list, "key=100%25%20%22a%22%2Cb%3Bc%5C%20%C3%A9%0A=");
        let read = members(&[list.as_bytes()]);
        assert_eq!(read, expected(&[("key", "100% \"a\",b;c\\ é\n=", "")]));
    }

    #[test]
    fn what_goes_out_is_bounded_and_cannot_forge_members() {
        let mut baggage = Baggage::new();
        // Each of these takes three bytes on the wire.
        baggage.insert("large", "%".repeat(MAX_BYTES / 2));
        baggage.insert_with_metadata("small", "1", BaggageMetadata::from("p=,admin=1\n"));
        assert_eq!(injected(&baggage), "small=1");
    }
}
