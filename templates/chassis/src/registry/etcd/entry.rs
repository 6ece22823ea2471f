//! What etcd stores of an instance.
//!
//! The key is `{prefix}/{service}/{host}:{port}`, as in `/service/user-service/10.0.0.7:50051`, and
//! the value is JSON:
//!
//! ```json
//! {"address":"10.0.0.7","port":50051,"tags":["blue"],"meta":{"version":"1.2.3","weight":"10"}}
//! ```
//!
//! `address` is an IP address or a name that the clients' resolver knows. The fields mean what they
//! mean in Consul's catalog; the version and the weight of an instance are entries of `meta`, as
//! they are there. `tags` and `meta` may be missing, and fields that are not listed are passed
//! over, so that there may be more of them one day.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::registry::Registration;
use crate::server::host_port;

/// The value of an instance's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) address: String,
    pub(super) port: u16,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default)]
    pub(super) meta: BTreeMap<String, String>,
}

impl From<&Registration> for Entry {
    fn from(registration: &Registration) -> Self {
        Self {
            address: registration.host.clone(),
            port: registration.port,
            tags: registration.tags.clone(),
            meta: registration.meta.clone(),
        }
    }
}

/// The key of an instance.
pub(super) fn key(prefix: &str, registration: &Registration) -> Vec<u8> {
    let address = host_port(&registration.host, registration.port);
    let mut key = keys(prefix, &registration.service).0;
    key.extend_from_slice(address.as_bytes());
    key
}

/// What the keys of the instances of `service` begin with, and the first key behind them.
///
/// It ends in `/`: without, those of `user` would be followed by those of `user-service`.
pub(super) fn keys(prefix: &str, service: &str) -> (Vec<u8>, Vec<u8>) {
    let prefix = prefix.trim_end_matches('/');
    let behind = char::from(b'/' + 1);
    (
        format!("{prefix}/{service}/").into_bytes(),
        format!("{prefix}/{service}{behind}").into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(host: &str) -> Registration {
        Registration {
            service: "user-service".to_owned(),
            host: host.to_owned(),
            port: 50051,
            tags: vec!["blue".to_owned()],
            meta: BTreeMap::from([("version".to_owned(), "1.2.3".to_owned())]),
            security: crate::registry::Security::Plain,
            admin: None,
        }
    }

    #[test]
    fn an_instance_is_stored_as_documented() {
        let registration = registration("10.0.0.7");
        let value = serde_json::to_string(&Entry::from(&registration)).expect("JSON");
        let expected = concat!(
            r#"{"address":"10.0.0.7","port":50051,"#,
            r#""tags":["blue"],"meta":{"version":"1.2.3"}}"#
        );
        assert_eq!(value, expected);
        for prefix in ["/service", "/service/"] {
            let key = String::from_utf8(key(prefix, &registration)).expect("UTF-8");
            assert_eq!(key, "/service/user-service/10.0.0.7:50051");
        }
    }

    #[test]
    fn the_instances_of_a_service_are_a_range_of_keys_that_no_other_service_is_in() {
        let (first, behind) = keys("/service", "user-service");
        assert_eq!(first, b"/service/user-service/");
        assert_eq!(behind, b"/service/user-service0");
        let is_within = |key: &[u8]| key >= first.as_slice() && key < behind.as_slice();
        assert!(is_within(&key("/service", &registration("10.0.0.7"))));
        assert!(is_within(&key("/service", &registration("::1"))));
        for other in ["user-service-2", "user-service0", "user-service.a", "user"] {
            assert!(
                !is_within(format!("/service/{other}/a:1").as_bytes()),
                "{other}"
            );
        }
    }

    #[test]
    fn fields_that_are_not_known_are_passed_over() {
        let text = r#"{"address":"a","port":1,"zone":"x"}"#;
        let entry: Entry = serde_json::from_str(text).expect("an entry");
        let expected = Entry {
            address: "a".to_owned(),
            port: 1,
            tags: Vec::new(),
            meta: BTreeMap::new(),
        };
        assert_eq!(entry, expected);
    }
}
