//! Which image stands for a resource: pinned, so that two developers run the same; replaceable, because
//! many reach no public registry.

use super::Resource;

/// The registry that a name without one belongs to.
const DOCKER_HUB: &str = "docker.io";

/// The image of a resource unless another is configured.
pub fn default_image(resource: Resource) -> &'static str {
    match resource {
        Resource::Consul => "hashicorp/consul:1.21.0",
        Resource::Etcd => "quay.io/coreos/etcd:v3.5.21",
        Resource::Jaeger => "jaegertracing/jaeger:2.6.0",
        Resource::Prometheus => "prom/prometheus:v3.4.0",
        Resource::Grafana => "grafana/grafana:12.0.0",
        Resource::Postgres => "postgres:17.5-alpine",
        Resource::Redis => "redis:7.4.3-alpine",
        Resource::Nats => "nats:2.11.3-alpine",
        Resource::Rabbitmq => "rabbitmq:4.1.0-management-alpine",
        Resource::Kafka => "apache/kafka:4.0.0",
    }
}

/// The same image in a mirror, which may have a path: the mirror stands in place of the registry, and
/// the official images of Docker Hub are below `library/`, as proxies of registries have it.
pub fn mirrored(image: &str, mirror: &str) -> String {
    let (_, path) = split(image);
    format!("{}/{path}", mirror.trim_end_matches('/'))
}

/// The registry of an image, as credentials are kept for it.
pub fn registry(image: &str) -> &str {
    split(image).0
}

/// An image's name with a tag: without one it would mean all tags to an engine that pulls.
pub fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains(':') || image.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// The registry of an image, and its path there.
fn split(image: &str) -> (&str, String) {
    match image.split_once('/') {
        // Only what cannot be a part of a path is a host, as Docker has it.
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            (host, path.to_owned())
        }
        Some(_) => (DOCKER_HUB, image.to_owned()),
        None => (DOCKER_HUB, format!("library/{image}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_stands_in_place_of_the_registry() {
        let mirror = "mirror.example.com/hub/";
        for (image, expected) in [
            ("redis:7", "mirror.example.com/hub/library/redis:7"),
            (
                "prom/prometheus:v3",
                "mirror.example.com/hub/prom/prometheus:v3",
            ),
            (
                "quay.io/coreos/etcd:v3",
                "mirror.example.com/hub/coreos/etcd:v3",
            ),
            ("localhost:5000/a:1", "mirror.example.com/hub/a:1"),
        ] {
            assert_eq!(mirrored(image, mirror), expected);
        }
    }

    #[test]
    fn a_registry_is_told_from_the_first_part_of_a_path() {
        for (image, expected) in [
            ("redis", "docker.io"),
            ("prom/prometheus", "docker.io"),
            ("localhost/a", "localhost"),
            ("127.0.0.1:5000/a/b", "127.0.0.1:5000"),
        ] {
            assert_eq!(registry(image), expected);
        }
    }

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        for (image, expected) in [
            ("redis", "redis:latest"),
            ("localhost:5000/redis", "localhost:5000/redis:latest"),
            ("redis:7", "redis:7"),
            ("redis@sha256:00", "redis@sha256:00"),
        ] {
            assert_eq!(tagged(image), expected);
        }
    }

    #[test]
    fn every_default_image_is_pinned() {
        for resource in Resource::ALL {
            let image = default_image(resource);
            assert_eq!(tagged(image), image);
            assert!(!image.ends_with(":latest"), "{image}");
        }
    }
}
