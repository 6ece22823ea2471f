//! From what is to be and what is there to what is to be done.
//!
//! Pure. Nothing is remembered anywhere but in the labels of what was made, so whatever a process
//! that was killed has left behind is found, told apart from what is whole, and mended.

use serde::{Deserialize, Serialize};

use super::resource::Resource;
use super::resource::spec::{Change, Network, Parts, Spec};

/// What is there and belongs to the workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Its networks, by their ids. There is one, unless two were made at the same time.
    pub networks: Vec<String>,
    /// The resources whose volumes there are.
    pub volumes: Vec<Resource>,
    /// Its containers.
    pub containers: Vec<Seen>,
}

/// A container of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// What it is; `None` for what another version of this program knows.
    pub resource: Option<Resource>,
    /// What it was made from; `None` when that cannot be read.
    pub parts: Option<Parts>,
    /// What it does.
    pub state: State,
    /// The networks that it is connected to, by their ids.
    pub networks: Vec<String>,
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was made and never started.
    Created,
    /// It runs.
    Running,
    /// It stands still.
    Paused,
    /// It has ended.
    Exited,
    /// The engine could not remove it, or is about to.
    Dead,
}

impl State {
    /// Whether its ports are its own: nobody else can have them.
    pub fn holds_ports(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the network.
    CreateNetwork,
    /// Remove a network.
    RemoveNetwork(String),
    /// Make the volume of a resource.
    CreateVolume(Resource),
    /// Remove the volume of a resource, with what is in it.
    RemoveVolume(Resource),
    /// Remove a container, stopping it first if it runs.
    Remove {
        /// Which.
        id: String,
        /// What it is.
        resource: Option<Resource>,
        /// Why it cannot stay.
        why: Why,
    },
    /// Make and start the container of a resource.
    Create(Resource),
    /// Start a container that has ended.
    Start {
        /// Which.
        id: String,
        /// What it is.
        resource: Resource,
    },
    /// Let a container go on.
    Unpause {
        /// Which.
        id: String,
        /// What it is.
        resource: Resource,
    },
    /// Wait until a resource is of use.
    Await(Resource),
}

/// Why a container cannot stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is to be another.
    Changed(Vec<Change>),
    /// It was never finished.
    HalfMade,
    /// There is another of the same resource.
    Duplicate,
    /// Its network has gone.
    NoNetwork,
    /// Nobody wants it any more.
    NotWanted,
}

/// What is to be done so that all of `desired` runs, in an order in which it can be done: what others
/// need is awaited before they start. What is not desired stays as it is.
pub fn bring_up(desired: &[Spec], observed: &Observed) -> Vec<Action> {
    let mut actions = Vec::new();
    let network = observed.networks.iter().min();
    let chosen: Vec<(&Spec, Verdict<'_>)> = desired
        .iter()
        .map(|spec| (spec, judge(spec, observed, network)))
        .collect();
    // A name and its ports are free once their holder has gone, so all that goes goes first.
    for (spec, verdict) in &chosen {
        for (seen, why) in &verdict.leaving {
            actions.push(Action::Remove {
                id: seen.id.clone(),
                resource: Some(spec.resource),
                why: why.clone(),
            });
        }
    }
    let removed = |id: &str| {
        let mut leaving = chosen.iter().flat_map(|(_, verdict)| &verdict.leaving);
        leaving.any(|(seen, _)| seen.id == id)
    };
    for other in observed.networks.iter().filter(|it| Some(*it) != network) {
        let is_used = |seen: &Seen| seen.networks.contains(other) && !removed(&seen.id);
        if !observed.containers.iter().any(is_used) {
            actions.push(Action::RemoveNetwork(other.clone()));
        }
    }
    if network.is_none() && desired.iter().any(|spec| spec.network == Network::Own) {
        actions.push(Action::CreateNetwork);
    }
    for spec in desired {
        let has_data = spec.resource.data_folder().is_some();
        if has_data && !observed.volumes.contains(&spec.resource) {
            actions.push(Action::CreateVolume(spec.resource));
        }
    }
    for (spec, verdict) in &chosen {
        let resource = spec.resource;
        match verdict.staying {
            None => actions.push(Action::Create(resource)),
            Some(seen) => match seen.state {
                State::Running => {}
                State::Paused => actions.push(Action::Unpause {
                    id: seen.id.clone(),
                    resource,
                }),
                State::Exited | State::Created | State::Dead => actions.push(Action::Start {
                    id: seen.id.clone(),
                    resource,
                }),
            },
        }
        actions.push(Action::Await(resource));
    }
    actions
}

/// What is to become of the containers of one resource.
struct Verdict<'a> {
    staying: Option<&'a Seen>,
    leaving: Vec<(&'a Seen, Why)>,
}

/// Of the containers of a resource the best that is as it is to be stays.
fn judge<'a>(spec: &Spec, observed: &'a Observed, network: Option<&String>) -> Verdict<'a> {
    let own = observed.containers.iter();
    let own = own.filter(|seen| seen.resource == Some(spec.resource));
    let mut verdict = Verdict {
        staying: None,
        leaving: Vec::new(),
    };
    let mut fit = Vec::new();
    for seen in own {
        match unfit(spec, seen, network) {
            Some(why) => verdict.leaving.push((seen, why)),
            None => fit.push(seen),
        }
    }
    fit.sort_by_key(|seen| (effort(seen.state), &seen.id));
    let mut fit = fit.into_iter();
    verdict.staying = fit.next();
    verdict
        .leaving
        .extend(fit.map(|seen| (seen, Why::Duplicate)));
    verdict
}

/// Why a container cannot be the one that is wanted.
fn unfit(spec: &Spec, seen: &Seen, network: Option<&String>) -> Option<Why> {
    // Its files may be missing: they are placed between its making and its start.
    if matches!(seen.state, State::Created | State::Dead) {
        return Some(Why::HalfMade);
    }
    let Some(parts) = &seen.parts else {
        return Some(Why::HalfMade);
    };
    let changes = parts.changes(&spec.parts());
    if !changes.is_empty() {
        return Some(Why::Changed(changes));
    }
    let is_connected = match (spec.network, network) {
        (Network::Host, _) => true,
        (Network::Own, Some(network)) => seen.networks.contains(network),
        (Network::Own, None) => false,
    };
    (!is_connected).then_some(Why::NoNetwork)
}

/// How much there is to do until it runs.
fn effort(state: State) -> u8 {
    match state {
        State::Running => 0,
        State::Paused => 1,
        State::Exited => 2,
        State::Created | State::Dead => 3,
    }
}

/// What is to be done so that nothing of `only`, or of all, is left; the data stays unless `volumes`.
pub fn tear_down(observed: &Observed, only: Option<&[Resource]>, volumes: bool) -> Vec<Action> {
    let is_meant = |resource: Option<Resource>| match only {
        None => true,
        Some(only) => resource.is_some_and(|it| only.contains(&it)),
    };
    let mut actions = Vec::new();
    for seen in observed
        .containers
        .iter()
        .filter(|it| is_meant(it.resource))
    {
        actions.push(Action::Remove {
            id: seen.id.clone(),
            resource: seen.resource,
            why: Why::NotWanted,
        });
    }
    if observed.containers.iter().all(|it| is_meant(it.resource)) {
        let networks = observed.networks.iter().cloned();
        actions.extend(networks.map(Action::RemoveNetwork));
    }
    if volumes {
        let meant = observed.volumes.iter().filter(|it| is_meant(Some(**it)));
        actions.extend(meant.map(|resource| Action::RemoveVolume(*resource)));
    }
    actions
}

#[cfg(test)]
mod tests;
