//! The methods that exist, as the descriptors have them: a closed set of labels for metrics, and
//! the knowledge which methods stream.

use std::error::Error as StdError;

use prost::Message;
use prost_types::FileDescriptorSet;

use super::ByPath;

/// One method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Method {
    /// With its package: `user.v1.UserService`.
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) streams_requests: bool,
    pub(crate) streams_responses: bool,
}

impl Method {
    /// The kind of call, as the label `grpc_type` has it.
    pub(crate) fn kind(&self) -> &'static str {
        match (self.streams_requests, self.streams_responses) {
            (false, false) => "unary",
            (true, false) => "client_stream",
            (false, true) => "server_stream",
            (true, true) => "bidi_stream",
        }
    }
}

/// The methods by path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Methods {
    by_path: ByPath<String, Method>,
    /// What knows the others.
    #[cfg(feature = "http")]
    front: Option<std::sync::Arc<dyn crate::front::Front>>,
}

impl Methods {
    /// The methods of `services` that the encoded `descriptor_sets` describe.
    ///
    /// # Errors
    /// When a set is not valid.
    pub(crate) fn new(
        services: &[&str],
        descriptor_sets: &[&[u8]],
    ) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        let mut by_path = ByPath::default();
        for encoded in descriptor_sets {
            for file in FileDescriptorSet::decode(*encoded)?.file {
                for service in &file.service {
                    let name = match file.package() {
                        "" => service.name().to_owned(),
                        package => format!("{package}.{}", service.name()),
                    };
                    if !services.contains(&name.as_str()) {
                        continue;
                    }
                    for method in &service.method {
                        let path = format!("/{name}/{}", method.name());
                        let method = Method {
                            service: name.clone(),
                            name: method.name().to_owned(),
                            streams_requests: method.client_streaming(),
                            streams_responses: method.server_streaming(),
                        };
                        by_path.insert(path, method);
                    }
                }
            }
        }
        Ok(Self {
            by_path,
            #[cfg(feature = "http")]
            front: None,
        })
    }

    /// Asks `front` about methods that are not described.
    #[cfg(feature = "http")]
    pub(crate) fn and_those_of(
        mut self,
        front: Option<&std::sync::Arc<dyn crate::front::Front>>,
    ) -> Self {
        self.front = front.cloned();
        self
    }

    /// Whether the method at `path` answers with a stream. One that is not described may.
    pub(crate) fn streams_responses(&self, path: &str) -> bool {
        match self.by_path.get(path) {
            Some(method) => method.streams_responses,
            None => self.others_stream(path),
        }
    }

    fn others_stream(&self, path: &str) -> bool {
        #[cfg(feature = "http")]
        if let Some(front) = &self.front {
            return front.streams_responses(path);
        }
        let _ = path;
        true
    }

    /// Whether there are methods beside those that are described.
    pub(crate) fn has_others(&self) -> bool {
        #[cfg(feature = "http")]
        return self.front.is_some();
        #[cfg(not(feature = "http"))]
        false
    }

    /// Whether `fits` holds for the path of a method.
    #[cfg(feature = "auth")]
    pub(crate) fn any(&self, fits: &dyn Fn(&str) -> bool) -> bool {
        #[cfg(feature = "http")]
        if self.front.as_ref().is_some_and(|it| it.has_method(fits)) {
            return true;
        }
        self.iter().any(|(path, _)| fits(path))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Method)> {
        self.by_path
            .iter()
            .map(|(path, method)| (path.as_str(), method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTH: &str = "grpc.health.v1.Health";

    #[test]
    fn methods_are_known_by_their_path() {
        let methods =
            Methods::new(&[HEALTH], &[tonic_health::pb::FILE_DESCRIPTOR_SET]).expect("a valid set");
        let mut paths: Vec<&str> = methods.iter().map(|(path, _)| path).collect();
        paths.sort_unstable();
        assert_eq!(
            paths,
            [
                "/grpc.health.v1.Health/Check",
                "/grpc.health.v1.Health/Watch"
            ]
        );
        assert!(!methods.streams_responses("/grpc.health.v1.Health/Check"));
        assert!(methods.streams_responses("/grpc.health.v1.Health/Watch"));
    }

    #[test]
    fn services_that_are_not_served_are_left_out() {
        let methods =
            Methods::new(&[], &[tonic_health::pb::FILE_DESCRIPTOR_SET]).expect("a valid set");
        assert_eq!(methods.iter().count(), 0);
    }

    #[test]
    fn an_invalid_set_is_an_error() {
        assert!(Methods::new(&[], &[b"\xff\xff"]).is_err());
    }
}
