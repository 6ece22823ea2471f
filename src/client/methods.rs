//! Picking a method by what the user wrote.
//!
//! Pure: descriptors in, a method or an error that helps out.

use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};

use crate::error::{Diagnostic, Exit};
use crate::suggestion::{did_you_mean, similar};

/// Why no method was picked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// There is no such method.
    #[error("{target} has no method `{given}`")]
    Unknown {
        /// Whose methods were looked at.
        target: String,
        /// What the user wrote.
        given: String,
        /// What resembles it.
        similar: Vec<String>,
    },
    /// There is no such service.
    #[error("{target} has no service `{service}`")]
    UnknownService {
        /// Whose methods were looked at.
        target: String,
        /// The service of what the user wrote.
        service: String,
        /// What resembles it.
        similar: Vec<String>,
    },
    /// Several services have such a method.
    #[error("`{given}` is ambiguous: {}", list(.candidates))]
    Ambiguous {
        /// What the user wrote.
        given: String,
        /// The methods that it could be.
        candidates: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

impl Diagnostic for MethodError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown {
                similar, target, ..
            }
            | Self::UnknownService {
                similar, target, ..
            } => Some(
                did_you_mean(similar)
                    .unwrap_or_else(|| format!("`msvc call {target}` lists the methods")),
            ),
            Self::Ambiguous { .. } => Some("give the method with its service".to_owned()),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// `package.Service/Method`.
pub fn full_name(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

/// The service named exactly so, with or without its package.
pub fn find_service(pool: &DescriptorPool, given: &str) -> Option<ServiceDescriptor> {
    let given = given.trim_matches('/');
    pool.get_service_by_name(given).or_else(|| {
        let mut named = pool.services().filter(|service| service.name() == given);
        named.next().filter(|_| named.next().is_none())
    })
}

/// The full name of the service in `package.Service/Method`, where it is written like that.
pub fn service_of(given: &str) -> Option<&str> {
    let (service, _) = given.trim_start_matches('/').split_once('/')?;
    Some(service)
}

/// Picks the method written as `package.Service/Method`, `package.Service.Method`, `Service/Method` or
/// `Method`, the latter two where there is only one.
///
/// # Errors
/// [`MethodError`] with names that resemble what was written; `target` is what to call the server.
pub fn find(
    pool: &DescriptorPool,
    given: &str,
    target: &str,
) -> Result<MethodDescriptor, MethodError> {
    let wanted = given.trim_start_matches('/');
    let (service, method) = match wanted.split_once('/').or_else(|| wanted.rsplit_once('.')) {
        Some((service, method)) => (Some(service), method),
        None => (None, wanted),
    };
    let all = || pool.services().flat_map(|service| methods(&service));
    let mut candidates: Vec<MethodDescriptor> = all()
        .filter(|candidate| {
            let parent = candidate.parent_service();
            candidate.name() == method
                && service.is_none_or(|name| parent.full_name() == name || parent.name() == name)
        })
        .collect();
    // A full name is not made ambiguous by the same service in another package.
    if let Some(exact) = candidates
        .iter()
        .position(|candidate| service == Some(candidate.parent_service().full_name()))
    {
        return Ok(candidates.swap_remove(exact));
    }
    match candidates.len() {
        1 => Ok(candidates.remove(0)),
        0 => Err(unknown(pool, wanted, service, method, target)),
        _ => Err(MethodError::Ambiguous {
            given: given.to_owned(),
            candidates: candidates.iter().map(full_name).collect(),
        }),
    }
}

fn methods(service: &ServiceDescriptor) -> Vec<MethodDescriptor> {
    service.methods().collect()
}

fn has(service: &ServiceDescriptor, method: &str) -> bool {
    service.methods().any(|each| each.name() == method)
}

fn unknown(
    pool: &DescriptorPool,
    given: &str,
    service: Option<&str>,
    method: &str,
    target: &str,
) -> MethodError {
    let known = service.and_then(|name| find_service(pool, name));
    if let (Some(service), None) = (service, &known) {
        let mut services: Vec<ServiceDescriptor> = pool.services().collect();
        if services.iter().any(|each| has(each, method)) {
            services.retain(|each| has(each, method));
        }
        let names = if service.contains('.') {
            similar(service, services.iter().map(ServiceDescriptor::full_name))
        } else {
            let alike = similar(service, services.iter().map(ServiceDescriptor::name));
            services.retain(|each| alike.iter().any(|name| name == each.name()));
            let full = services.iter().map(|each| each.full_name().to_owned());
            full.collect()
        };
        return MethodError::UnknownService {
            target: target.to_owned(),
            service: service.to_owned(),
            similar: names
                .into_iter()
                .map(|name| format!("{name}/{method}"))
                .collect(),
        };
    }
    let candidates: Vec<MethodDescriptor> = match &known {
        Some(service) => methods(service),
        None => pool.services().flat_map(|each| methods(&each)).collect(),
    };
    let names = similar(method, candidates.iter().map(MethodDescriptor::name));
    MethodError::Unknown {
        target: target.to_owned(),
        given: given.to_owned(),
        similar: candidates
            .iter()
            .filter(|candidate| names.iter().any(|name| name == candidate.name()))
            .map(full_name)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::compile::compile;
    use crate::proto::sources::Sources;

    fn pool() -> DescriptorPool {
        let mut sources = Sources::default();
        for (name, package, methods) in [
            ("a.proto", "a.v1", ["Get", "List"]),
            ("b.proto", "b.v1", ["Get", "Put"]),
        ] {
            let rpcs = methods.map(|method| format!("rpc {method}(M) returns (M);"));
            let text = format!(
                "syntax = \"proto3\"; package {package}; message M {{}} \
                 service Store {{ {} }} service {}Only {{ rpc Run(M) returns (M); }}",
                rpcs.join(" "),
                package[..1].to_uppercase(),
            );
            sources.memory.insert(name.to_owned(), text);
        }
        let names = sources.all_names().expect("in memory");
        let compiled = compile(&sources, &names).expect("valid");
        DescriptorPool::decode(compiled.encoded.as_slice()).expect("valid")
    }

    fn shown(given: &str) -> String {
        match find(&pool(), given, "shop") {
            Ok(method) => full_name(&method),
            Err(error) => format!("{error} ({})", error.hint().unwrap_or_default()),
        }
    }

    #[test]
    fn methods_are_found_however_they_are_written() {
        for (given, expected) in [
            ("a.v1.Store/Get", "a.v1.Store/Get"),
            ("/a.v1.Store/Get", "a.v1.Store/Get"),
            ("b.v1.Store.Put", "b.v1.Store/Put"),
            ("Store/Put", "b.v1.Store/Put"),
            ("List", "a.v1.Store/List"),
            ("BOnly/Run", "b.v1.BOnly/Run"),
        ] {
            assert_eq!(shown(given), expected, "{given}");
        }
    }

    #[test]
    fn what_cannot_be_found_gives_suggestions() {
        for (given, expected) in [
            (
                "Get",
                "`Get` is ambiguous: `a.v1.Store/Get`, `b.v1.Store/Get` \
                 (give the method with its service)",
            ),
            (
                "Lost",
                "shop has no method `Lost` (did you mean `a.v1.Store/List`?)",
            ),
            (
                "a.v1.Store/get",
                "shop has no method `a.v1.Store/get` (did you mean `a.v1.Store/Get`?)",
            ),
            (
                "a.v1.Stor/Get",
                "shop has no service `a.v1.Stor` \
                 (did you mean `a.v1.Store/Get` or `b.v1.Store/Get`?)",
            ),
            (
                "Frobnicate",
                "shop has no method `Frobnicate` (`msvc call shop` lists the methods)",
            ),
        ] {
            assert_eq!(shown(given), expected, "{given}");
        }
    }
}
