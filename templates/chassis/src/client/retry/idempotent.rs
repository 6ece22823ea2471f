//! Which methods may be done twice: their protos say it, by `option idempotency_level`.
//!
//! A client is told by [`connect_described`](crate::client::connect_described). What is known to be
//! idempotent need not be given up to be asked for elsewhere, and what is not can be kept from being
//! made again.

use std::collections::HashSet;

use prost::{DecodeError, Message};
use prost_types::FileDescriptorSet;
use prost_types::method_options::IdempotencyLevel;

/// Methods that may be done twice, as `package.Service/Method`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::client) struct Idempotent(HashSet<String>);

impl Idempotent {
    /// Those that the encoded `descriptor_set` describes as such: `IDEMPOTENT` and
    /// `NO_SIDE_EFFECTS`.
    ///
    /// # Errors
    /// When it is not valid.
    pub(in crate::client) fn read(descriptor_set: &[u8]) -> Result<Self, DecodeError> {
        let mut methods = HashSet::new();
        for file in FileDescriptorSet::decode(descriptor_set)?.file {
            for service in &file.service {
                let prefix = match file.package() {
                    "" => service.name().to_owned(),
                    package => format!("{package}.{}", service.name()),
                };
                let options = |it: &prost_types::MethodDescriptorProto| {
                    it.options
                        .as_ref()
                        .map(prost_types::MethodOptions::idempotency_level)
                };
                let is_idempotent = |it: &&prost_types::MethodDescriptorProto| {
                    !matches!(
                        options(it),
                        None | Some(IdempotencyLevel::IdempotencyUnknown)
                    )
                };
                let names = service.method.iter().filter(is_idempotent);
                methods.extend(names.map(|it| format!("{prefix}/{}", it.name())));
            }
        }
        Ok(Self(methods))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    #[cfg(test)]
    pub(super) fn only(name: &str) -> Self {
        Self(HashSet::from([name.to_owned()]))
    }
}

#[cfg(test)]
mod tests {
    use prost_types::{
        FileDescriptorProto, MethodDescriptorProto, MethodOptions, ServiceDescriptorProto,
    };

    use super::*;

    fn method(name: &str, level: Option<IdempotencyLevel>) -> MethodDescriptorProto {
        MethodDescriptorProto {
            name: Some(name.to_owned()),
            options: level.map(|level| MethodOptions {
                idempotency_level: Some(level.into()),
                ..MethodOptions::default()
            }),
            ..MethodDescriptorProto::default()
        }
    }

    #[test]
    fn a_method_says_whether_it_may_be_done_twice() {
        let service = ServiceDescriptorProto {
            name: Some("Users".to_owned()),
            method: vec![
                method("Get", Some(IdempotencyLevel::NoSideEffects)),
                method("Put", Some(IdempotencyLevel::Idempotent)),
                method("Add", Some(IdempotencyLevel::IdempotencyUnknown)),
                method("Pay", None),
            ],
            ..ServiceDescriptorProto::default()
        };
        let file = |package: Option<&str>| FileDescriptorProto {
            package: package.map(str::to_owned),
            service: vec![service.clone()],
            ..FileDescriptorProto::default()
        };
        let set = FileDescriptorSet {
            file: vec![file(Some("user.v1")), file(None)],
        };
        let known = Idempotent::read(&set.encode_to_vec()).expect("valid");
        let mut names: Vec<&str> = known.names().collect();
        names.sort_unstable();
        let expected = [
            "Users/Get",
            "Users/Put",
            "user.v1.Users/Get",
            "user.v1.Users/Put",
        ];
        assert_eq!(names, expected);
        assert!(Idempotent::read(b"not one").is_err());
    }
}
