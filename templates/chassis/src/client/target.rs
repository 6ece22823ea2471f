//! The targets that a client is pointed at.

use std::fmt;
use std::str::FromStr;

use http::uri::Authority;

/// What a client is pointed at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// `consul:///user-service`: the instances that Consul knows as passing.
    Consul(String),
    /// `etcd:///user-service`: the instances whose leases are alive in etcd.
    Etcd(String),
    /// `kubernetes:///user-service.shop:grpc`: the ready endpoints of a Kubernetes service.
    Kubernetes(KubernetesService),
    /// `static:///host:port,host:port`: these addresses.
    Static(Vec<String>),
    /// `dns:///host:port`: the addresses that a name resolves to.
    Dns(String),
    /// `user-service`: wherever the configured registry finds it.
    Registry(String),
}

/// A service of a Kubernetes cluster, as `service[.namespace]:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesService {
    /// Its name.
    pub name: String,
    /// Its namespace; `None` for that of `registry.kubernetes.namespace`.
    pub namespace: Option<String>,
    /// The name of its port, or the number of the port of its pods.
    pub port: String,
}

impl fmt::Display for KubernetesService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(namespace) = &self.namespace {
            write!(f, ".{namespace}")?;
        }
        write!(f, ":{}", self.port)
    }
}

/// A target that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError {
    target: String,
    problem: &'static str,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, problem } = self;
        write!(
            f,
            "the target `{target}` {problem}: expected `consul:///service`, \
             `etcd:///service`, `kubernetes:///service.namespace:port`, \
             `static:///host:port,host:port`, `dns:///host:port` or the name of a service"
        )
    }
}

impl std::error::Error for TargetError {}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(target: &str) -> Result<Self, TargetError> {
        let error = |problem| TargetError {
            target: target.to_owned(),
            problem,
        };
        let Some((scheme, rest)) = target.split_once("://") else {
            return match is_name(target) {
                true => Ok(Self::Registry(target.to_owned())),
                false => Err(error("is not a name")),
            };
        };
        let Some(rest) = rest.strip_prefix('/') else {
            return Err(error("names an authority, which has no meaning here"));
        };
        match scheme {
            "consul" if is_name(rest) => Ok(Self::Consul(rest.to_owned())),
            "consul" => Err(error("names no service")),
            "etcd" if is_name(rest) => Ok(Self::Etcd(rest.to_owned())),
            "etcd" => Err(error("names no service")),
            "kubernetes" => match kubernetes(rest) {
                Some(service) => Ok(Self::Kubernetes(service)),
                None => Err(error("names no service and port")),
            },
            "static" => {
                let addresses: Vec<String> = rest.split(',').map(|it| it.trim().into()).collect();
                match addresses.iter().all(|address| has_host_and_port(address)) {
                    true => Ok(Self::Static(addresses)),
                    false => Err(error("has an address without host or port")),
                }
            }
            "dns" if has_host_and_port(rest) => Ok(Self::Dns(rest.to_owned())),
            "dns" => Err(error("has no host or port")),
            _ => Err(error("has an unknown scheme")),
        }
    }
}

impl Target {
    /// The name that calls are addressed to; `None` when each endpoint goes by its own address.
    pub(super) fn authority(&self) -> Option<Authority> {
        match self {
            Self::Consul(name) | Self::Etcd(name) | Self::Dns(name) | Self::Registry(name) => {
                name.parse().ok()
            }
            Self::Kubernetes(service) => service.name.parse().ok(),
            Self::Static(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consul(service) => write!(f, "consul:///{service}"),
            Self::Etcd(service) => write!(f, "etcd:///{service}"),
            Self::Kubernetes(service) => write!(f, "kubernetes:///{service}"),
            Self::Static(addresses) => write!(f, "static:///{}", addresses.join(",")),
            Self::Dns(address) => write!(f, "dns:///{address}"),
            Self::Registry(service) => f.write_str(service),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Labels and names of ports are alike: `[a-z0-9-]`.
fn kubernetes(text: &str) -> Option<KubernetesService> {
    let is_label = |text: &str| {
        let mut bytes = text.bytes();
        !text.is_empty() && bytes.all(|it| it.is_ascii_alphanumeric() || it == b'-')
    };
    let (host, port) = text.rsplit_once(':')?;
    let (name, namespace) = match host.split_once('.') {
        Some((name, namespace)) => (name, Some(namespace)),
        None => (host, None),
    };
    let labels = [Some(name), namespace, Some(port)];
    let is_number = port.bytes().all(|it| it.is_ascii_digit());
    let is_port = !is_number || port.parse::<u16>().is_ok_and(|port| port != 0);
    (labels.into_iter().flatten().all(is_label) && is_port).then(|| KubernetesService {
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
        port: port.to_owned(),
    })
}

fn has_host_and_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_back_as_they_are_written() {
        for target in [
            "consul:///user-service",
            "etcd:///user-service",
            "kubernetes:///user-service:50051",
            "kubernetes:///user-service.shop:grpc",
            "static:///127.0.0.1:1,[::1]:2",
            "dns:///users.svc.cluster.local:50051",
            "user-service",
        ] {
            let parsed: Target = target.parse().expect(target);
            assert_eq!(parsed.to_string(), target);
        }
    }

    #[test]
    fn other_targets_are_refused_with_the_reason() {
        let problem = |target: &str| target.parse::<Target>().expect_err(target).problem;
        assert_eq!(
            problem("http://users:80"),
            "names an authority, which has no meaning here"
        );
        assert_eq!(problem("http:///users:80"), "has an unknown scheme");
        assert_eq!(problem("consul:///"), "names no service");
        assert_eq!(problem("etcd:///a/b"), "names no service");
        for target in ["users", "users:0", "users:70000", ":1", "a.b.c:1", "a:b:1"] {
            assert_eq!(
                problem(&format!("kubernetes:///{target}")),
                "names no service and port"
            );
        }
        assert_eq!(
            problem("static:///users"),
            "has an address without host or port"
        );
        assert_eq!(
            problem("static:///users:0"),
            "has an address without host or port"
        );
        assert_eq!(problem("dns:///:80"), "has no host or port");
        assert_eq!(problem("user service"), "is not a name");
    }
}
