//! The gRPC reflection service, v1 and v1alpha, for the services that are really served.

use tonic_reflection::server::Builder;

use super::router::Router;
use crate::Error;

const V1: &str = "grpc.reflection.v1.ServerReflection";
const V1_ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// The descriptor sets of the services that every server has.
pub(super) const INFRASTRUCTURE: [&[u8]; 3] = [
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// Adds reflection for the services in `router`. Descriptor sets may describe other services as
/// well: those are not listed.
///
/// # Errors
/// [`Error::Descriptors`] when a set is not valid.
pub(super) fn add(router: &mut Router, descriptor_sets: &[&'static [u8]]) -> Result<(), Error> {
    let mut names: Vec<&str> = router.names().chain([V1, V1_ALPHA]).collect();
    names.sort_unstable();
    let builder = || {
        let mut builder = Builder::configure().include_reflection_service(false);
        for set in INFRASTRUCTURE.iter().chain(descriptor_sets) {
            builder = builder.register_encoded_file_descriptor_set(set);
        }
        for name in &names {
            builder = builder.with_service_name(*name);
        }
        builder
    };
    let invalid = |error| Error::Descriptors(Box::new(error));
    router.add(builder().build_v1().map_err(invalid)?);
    router.add(builder().build_v1alpha().map_err(invalid)?);
    Ok(())
}
