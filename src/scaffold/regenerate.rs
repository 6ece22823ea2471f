//! Planning what follows from the protos of a workspace: its crate `protocol`, and stubs in the code of its
//! services.

use std::path::Path;

use crate::error::Result;
use crate::project::Project;
use crate::proto;
use crate::proto::model::Service;
use crate::proto::namer::Rename;
use crate::proto::sources::Sources;
use crate::scaffold::plan::Plan;
use crate::scaffold::protocol;
use crate::scaffold::user_code::{self, UserCode};

/// What follows from the protos.
#[derive(Debug)]
pub struct Regenerated {
    /// The gRPC services that they define.
    pub services: Vec<Service>,
    /// The names that had to become others in Rust.
    pub renames: Vec<Rename>,
    /// What the user's code has and lacks.
    pub user_code: UserCode,
}

/// Adds to a plan what makes the generated code, and the services' own, match the protos. Files are shown as
/// seen from `directory`.
///
/// # Errors
/// When a proto does not compile or the code of a service cannot be read.
pub fn plan(
    project: &Project,
    directory: &Path,
    sources: &Sources,
    plan: &mut Plan,
) -> Result<Regenerated> {
    let generation = project.generation(directory);
    let (compiled, generated) = proto::generate_all(sources, &generation)?;
    protocol::plan_options(&generation, plan)?;
    let existing = protocol::read_generated(&project.root)?;
    protocol::plan_sources(&generated, &compiled.encoded, &existing, plan);
    let user_code = user_code::examine(directory, project, &generated.services, plan)?;
    Ok(Regenerated {
        services: generated.services,
        renames: generated.renames,
        user_code,
    })
}
