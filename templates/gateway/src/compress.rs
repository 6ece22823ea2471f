//! gzip (RFC 1952) for bodies that are there as a whole: JSON in both directions. Streams go as they
//! are, since what waits in a compressor is late.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::{HeaderMap, header};

/// Smaller ones do not get smaller by enough.
const MIN_SIZE: usize = 1024;

/// Why a body cannot be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packed {
    TooLarge,
    Malformed,
}

/// `body` packed, when it is worth it.
pub(crate) fn pack(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < MIN_SIZE {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// What `body` is when it is unpacked, as far as that is not more than `limit` bytes.
///
/// # Errors
/// When it is more, or not gzip.
pub(crate) fn unpack(body: &[u8], limit: usize) -> Result<Vec<u8>, Packed> {
    let mut unpacked = Vec::new();
    // One more byte tells a body that is too large from one that just fits.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(body)
        .take(most)
        .read_to_end(&mut unpacked);
    match read {
        Ok(size) if size > limit => Err(Packed::TooLarge),
        Ok(_) => Ok(unpacked),
        Err(_) => Err(Packed::Malformed),
    }
}

/// Whether a client takes packed bodies.
pub(crate) fn takes_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(header::ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts.any(|it| {
            let weight = it.strip_prefix("q=").and_then(|it| it.parse::<f32>().ok());
            weight == Some(0.0)
        });
        name.eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepting(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn what_is_packed_unpacks_within_the_limit() {
        let body = vec![b'a'; 5000];
        let packed = pack(&body).expect("worth it");
        assert!(packed.len() < 100, "{}", packed.len());
        assert_eq!(unpack(&packed, 5000).as_deref(), Ok(&*body));
        assert_eq!(unpack(&packed, 4999), Err(Packed::TooLarge));
        assert_eq!(unpack(b"no gzip", 10), Err(Packed::Malformed));
        assert_eq!(unpack(&packed[..20], 5000), Err(Packed::Malformed));
    }

    #[test]
    fn small_bodies_and_other_clients_get_it_as_it_is() {
        assert_eq!(pack(&[b'a'; 1000]), None);
        assert!(takes_gzip(&accepting("br, gzip;q=0.5")));
        assert!(!takes_gzip(&HeaderMap::new()));
        assert!(!takes_gzip(&accepting("br")));
        assert!(!takes_gzip(&accepting("gzip;q=0")));
    }
}
