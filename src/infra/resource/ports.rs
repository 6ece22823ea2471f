//! Which port each resource has on the developer's machine.
//!
//! Pure: values in, values out; whether a port is free is asked of the caller.

use std::collections::{BTreeMap, BTreeSet};

use super::{Port, Resource};

/// What ports are wanted for, and what is known of them.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The resources that are to run.
    pub resources: &'a [Resource],
    /// Ports that were configured.
    pub configured: &'a BTreeMap<Port, u16>,
    /// Ports that they have had: what was chosen once stays, or services would look in vain.
    pub previous: &'a BTreeMap<Port, u16>,
    /// Whether another may be taken.
    pub auto: bool,
}

/// A port that somebody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whose it was to be.
    pub resource: Resource,
    /// Which of its ports.
    pub port: Port,
    /// Its number.
    pub number: u16,
}

/// A number for each port of each resource.
///
/// # Errors
/// The first that is taken, unless another may be chosen.
pub fn settle(
    request: Request<'_>,
    is_free: &dyn Fn(Port, u16) -> bool,
) -> Result<BTreeMap<Port, u16>, Taken> {
    let mut settled = BTreeMap::new();
    let mut promised = BTreeSet::new();
    for resource in request.resources {
        for port in resource.ports() {
            let wanted = request.configured.get(port);
            let wanted = wanted.or_else(|| request.previous.get(port));
            let wanted = wanted.copied().unwrap_or(port.standard());
            let is_fine = |number: u16| !promised.contains(&number) && is_free(*port, number);
            let number = if is_fine(wanted) {
                Some(wanted)
            } else if request.auto {
                (wanted..=u16::MAX).find(|number| is_fine(*number))
            } else {
                None
            };
            let number = number.ok_or(Taken {
                resource: *resource,
                port: *port,
                number: wanted,
            })?;
            promised.insert(number);
            settled.insert(*port, number);
        }
    }
    Ok(settled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(
        resources: &'a [Resource],
        configured: &'a BTreeMap<Port, u16>,
        previous: &'a BTreeMap<Port, u16>,
        auto: bool,
    ) -> Request<'a> {
        Request {
            resources,
            configured,
            previous,
            auto,
        }
    }

    #[test]
    fn what_is_configured_comes_before_what_was_and_that_before_the_standard() {
        let configured = BTreeMap::from([(Port::Consul, 18500)]);
        let previous = BTreeMap::from([(Port::Consul, 8501), (Port::Redis, 6380)]);
        let resources = [Resource::Consul, Resource::Redis, Resource::Etcd];
        let settled = settle(
            request(&resources, &configured, &previous, false),
            &|_, _| true,
        );
        let expected = [
            (Port::Consul, 18500),
            (Port::Redis, 6380),
            (Port::Etcd, 2379),
        ];
        assert_eq!(settled, Ok(BTreeMap::from(expected)));
    }

    #[test]
    fn a_taken_port_is_named_or_passed_over() {
        let none = BTreeMap::new();
        let resources = [Resource::Jaeger];
        let is_free = |_: Port, number: u16| ![4317, 4319].contains(&number);
        let taken = settle(request(&resources, &none, &none, false), &is_free);
        assert_eq!(
            taken,
            Err(Taken {
                resource: Resource::Jaeger,
                port: Port::Otlp,
                number: 4317
            })
        );
        // The next is not given away twice.
        let settled = settle(request(&resources, &none, &none, true), &is_free);
        let expected = [
            (Port::Jaeger, 16686),
            (Port::Otlp, 4318),
            (Port::OtlpHttp, 4320),
        ];
        assert_eq!(settled, Ok(BTreeMap::from(expected)));
    }
}
