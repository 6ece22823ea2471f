//! What `msvc up` has started, for the services that are about to run.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use futures_util::future::join_all;

use crate::context::Context;
use crate::env_vars::Environment;
use crate::infra::ready::{self, Target};
use crate::infra::resource::Resource;
use crate::infra::state_file::{self, Carrier, InfraState};
use crate::project::Project;

/// What was started and answers.
#[derive(Clone, Debug, Default)]
pub struct Infrastructure(Option<InfraState>);

/// Asks everything that was started whether it is there still; what is not is told of and passed over.
pub async fn started(context: &Context, project: &Project) -> Infrastructure {
    let Some(mut state) = state_file::read(&project.state_folder()) else {
        return Infrastructure::default();
    };
    let targets = state.resources.iter().map(|(resource, ports)| Target {
        resource: *resource,
        host: state.host.clone(),
        ports: ports.clone(),
    });
    let answers = join_all(targets.map(|target| async move {
        let answer = ready::probe(&target).await;
        (target.resource, answer)
    }));
    for (resource, answer) in answers.await {
        if let Err(problem) = answer {
            let told = format!("`{resource}` that `msvc up` started does not answer: {problem}");
            context.printer.warning(told);
            state.resources.remove(&resource);
        }
    }
    Infrastructure(Some(state))
}

impl Infrastructure {
    /// Where a resource is.
    pub fn url(&self, resource: Resource) -> Option<String> {
        self.0.as_ref()?.url(resource)
    }

    /// Where all is that was started.
    pub fn urls(&self) -> BTreeMap<Resource, String> {
        let resources = self.0.iter().flat_map(|state| state.resources.keys());
        let urls = resources.filter_map(|resource| Some((*resource, self.url(*resource)?)));
        urls.collect()
    }

    /// Whether it can call the services.
    pub fn reaches_services(&self) -> bool {
        let carrier = self.0.as_ref().map(|state| state.engine);
        carrier != Some(Carrier::Docker)
    }

    /// The variables by which services find it; what they inherit stays as it is.
    pub fn variables(&self, environment: &Environment) -> Vec<(String, String)> {
        let variables = self.0.iter().flat_map(InfraState::variables);
        let is_unset = |name: &str| !environment.names.contains(OsStr::new(name));
        let unset = variables.filter(|(name, _)| is_unset(name));
        unset
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}
