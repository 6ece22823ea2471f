//! From whatever is there, what was decided leads to what is wanted: tried on every state that a
//! small world can be in.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::*;
use crate::infra::resource::Port;

/// The network that was made first, and one that was made at the same time.
const NETWORKS: [&str; 2] = ["net-1", "net-2"];
/// What a container may be like: how it runs, whether it is what is wanted, where it is connected.
const STATES: [State; 5] = [
    State::Created,
    State::Running,
    State::Paused,
    State::Exited,
    State::Dead,
];

fn spec(resource: Resource, network: Network) -> Spec {
    Spec {
        resource,
        image: format!("{resource}:1"),
        command: Vec::new(),
        environment: BTreeMap::new(),
        ports: BTreeMap::from([(resource.ports()[0], resource.ports()[0].standard())]),
        publish_on: Ipv4Addr::LOCALHOST.into(),
        files: BTreeMap::new(),
        network,
    }
}

/// A world in which actions have their effects.
#[derive(Clone, Debug)]
struct World {
    observed: Observed,
    made: u32,
}

impl World {
    /// Does what was decided, and checks that each of it can be done when it is its turn.
    fn apply(&mut self, desired: &[Spec], actions: &[Action]) {
        let mut awaited = Vec::new();
        for action in actions {
            self.step(desired, action);
            if let Action::Await(resource) = action {
                let runs =
                    |it: &&Seen| it.resource == Some(*resource) && it.state == State::Running;
                let running = self.observed.containers.iter().filter(runs).count();
                assert_eq!(running, 1, "{resource} runs once: {self:?}");
                for needed in resource.needs() {
                    assert!(awaited.contains(needed), "{resource} needs {needed}");
                }
                awaited.push(*resource);
            }
        }
    }

    fn step(&mut self, desired: &[Spec], action: &Action) {
        let observed = &mut self.observed;
        let place = |id: &str, containers: &[Seen]| {
            let place = containers.iter().position(|it| it.id == id);
            place.unwrap_or_else(|| panic!("{id} is there"))
        };
        match action {
            Action::CreateNetwork => {
                self.made += 1;
                observed.networks.push(format!("made-{}", self.made));
            }
            Action::RemoveNetwork(id) => {
                let is_used = observed
                    .containers
                    .iter()
                    .any(|it| it.networks.contains(id));
                assert!(!is_used, "a network that is used cannot be removed");
                let before = observed.networks.len();
                observed.networks.retain(|it| it != id);
                assert_eq!(observed.networks.len() + 1, before);
            }
            Action::CreateVolume(resource) => {
                assert!(!observed.volumes.contains(resource));
                observed.volumes.push(*resource);
            }
            Action::RemoveVolume(resource) => {
                let is_used = |it: &Seen| it.resource == Some(*resource);
                assert!(!observed.containers.iter().any(is_used));
                observed.volumes.retain(|it| it != resource);
            }
            Action::Remove { id, .. } => {
                let place = place(id, &observed.containers);
                observed.containers.remove(place);
            }
            Action::Create(resource) => {
                let is_same = |it: &&Seen| it.resource == Some(*resource);
                let same = observed.containers.iter().filter(is_same).count();
                assert_eq!(same, 0, "the name of {resource} is free");
                let spec = desired.iter().find(|it| it.resource == *resource);
                let spec = spec.expect("it is wanted");
                let network = observed.networks.iter().min().cloned();
                self.made += 1;
                observed.containers.push(Seen {
                    id: format!("made-{}", self.made),
                    resource: Some(*resource),
                    parts: Some(spec.parts()),
                    state: State::Running,
                    networks: match spec.network {
                        Network::Own => vec![network.expect("there is a network")],
                        Network::Host => vec!["host".to_owned()],
                    },
                });
            }
            Action::Start { id, .. } => {
                let place = place(id, &observed.containers);
                let seen = &mut observed.containers[place];
                assert_eq!(seen.state, State::Exited);
                seen.state = State::Running;
            }
            Action::Unpause { id, .. } => {
                let place = place(id, &observed.containers);
                let seen = &mut observed.containers[place];
                assert_eq!(seen.state, State::Paused);
                seen.state = State::Running;
            }
            Action::Await(_) => {}
        }
    }
}

/// Every container that there may be of a resource: none, and each state of each making on each
/// network.
fn containers(wanted: &Spec, id: &str) -> Vec<Option<Seen>> {
    let mut changed = wanted.clone();
    changed.image = "another:2".to_owned();
    let makings = [Some(wanted.parts()), Some(changed.parts()), None];
    let mut all = vec![None];
    for state in STATES {
        for parts in &makings {
            let networks = match wanted.network {
                Network::Own => &NETWORKS[..],
                Network::Host => &["host"],
            };
            for network in networks {
                all.push(Some(Seen {
                    id: id.to_owned(),
                    resource: Some(wanted.resource),
                    parts: parts.clone(),
                    state,
                    networks: vec![(*network).to_owned()],
                }));
            }
        }
    }
    all
}

/// Every world with a container of each of two resources, and a second of the first on the second
/// network.
fn worlds(first: &Spec, second: &Spec) -> Vec<Observed> {
    let is_second = |seen: &Option<Seen>| match seen {
        Some(seen) => seen.networks[0] == NETWORKS[1] && seen.parts.is_some(),
        None => true,
    };
    let mut worlds = Vec::new();
    for networks in [&NETWORKS[..0], &NETWORKS[..1], &NETWORKS[..]] {
        for a in containers(first, "a") {
            for b in containers(first, "b").into_iter().filter(is_second) {
                for c in containers(second, "c") {
                    let all = [a.clone(), b.clone(), c];
                    worlds.push(Observed {
                        networks: networks.iter().map(|it| (*it).to_owned()).collect(),
                        volumes: vec![first.resource],
                        containers: all.into_iter().flatten().collect(),
                    });
                }
            }
        }
    }
    worlds
}

/// Nothing is left to do but to wait.
fn is_settled(actions: &[Action]) -> bool {
    actions.iter().all(|it| matches!(it, Action::Await(_)))
}

#[test]
fn from_any_state_what_is_decided_leads_to_what_is_wanted() {
    let redis = spec(Resource::Redis, Network::Own);
    let grafana = spec(Resource::Grafana, Network::Host);
    let desired = [
        spec(Resource::Prometheus, Network::Host),
        grafana.clone(),
        redis.clone(),
    ];
    let worlds = worlds(&redis, &grafana);
    assert_eq!(worlds.len(), 31 * 11 * 16 * 3);
    for observed in worlds {
        let mut world = World { observed, made: 0 };
        let actions = bring_up(&desired, &world.observed);
        world.apply(&desired, &actions);
        let again = bring_up(&desired, &world.observed);
        assert!(is_settled(&again), "{again:?} in {world:?}");
        assert_eq!(world.observed.containers.len(), 3);
        assert_eq!(world.observed.networks.len(), 1, "{world:?}");
    }
}

#[test]
fn from_any_state_all_is_removed_and_data_only_if_wanted() {
    let redis = spec(Resource::Redis, Network::Own);
    let grafana = spec(Resource::Grafana, Network::Host);
    for observed in worlds(&redis, &grafana) {
        let volumes = observed.volumes.clone();
        for with_volumes in [false, true] {
            let mut world = World {
                observed: observed.clone(),
                made: 0,
            };
            let actions = tear_down(&world.observed, None, with_volumes);
            world.apply(&[], &actions);
            assert_eq!(world.observed.containers, []);
            assert_eq!(world.observed.networks, Vec::<String>::new());
            let left = if with_volumes {
                vec![]
            } else {
                volumes.clone()
            };
            assert_eq!(world.observed.volumes, left);
        }
    }
}

/// A running container as it is wanted.
fn running(spec: &Spec, id: &str) -> Seen {
    Seen {
        id: id.to_owned(),
        resource: Some(spec.resource),
        parts: Some(spec.parts()),
        state: State::Running,
        networks: vec![NETWORKS[0].to_owned()],
    }
}

#[test]
fn a_changed_spec_replaces_that_container_alone_and_says_why() {
    let old = spec(Resource::Redis, Network::Own);
    let nats = spec(Resource::Nats, Network::Own);
    let observed = Observed {
        networks: vec![NETWORKS[0].to_owned()],
        volumes: vec![Resource::Redis, Resource::Nats],
        containers: vec![running(&old, "r"), running(&nats, "n")],
    };
    let mut new = old.clone();
    new.ports = BTreeMap::from([(Port::Redis, 16379)]);
    let changes = old.parts().changes(&new.parts());
    assert_eq!(
        bring_up(&[new, nats], &observed),
        [
            Action::Remove {
                id: "r".to_owned(),
                resource: Some(Resource::Redis),
                why: Why::Changed(changes),
            },
            Action::Create(Resource::Redis),
            Action::Await(Resource::Redis),
            Action::Await(Resource::Nats),
        ]
    );
}

#[test]
fn what_was_not_named_is_left_alone() {
    let redis = spec(Resource::Redis, Network::Own);
    let nats = spec(Resource::Nats, Network::Own);
    let mut changed = running(&nats, "n");
    changed.parts = None;
    let unknown = Seen {
        resource: None,
        ..running(&nats, "u")
    };
    let observed = Observed {
        networks: vec![NETWORKS[0].to_owned()],
        volumes: vec![Resource::Redis],
        containers: vec![running(&redis, "r"), changed, unknown],
    };
    let awaits = [Action::Await(Resource::Redis)];
    assert_eq!(bring_up(std::slice::from_ref(&redis), &observed), awaits);
    let only = tear_down(&observed, Some(&[Resource::Redis]), true);
    let removed = Action::Remove {
        id: "r".to_owned(),
        resource: Some(Resource::Redis),
        why: Why::NotWanted,
    };
    assert_eq!(only, [removed, Action::RemoveVolume(Resource::Redis)]);
}
