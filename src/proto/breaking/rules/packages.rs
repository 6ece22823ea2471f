//! What is in a package, in whatever file.

use std::collections::{BTreeMap, BTreeSet};

use crate::proto::breaking::rules::files::{extensions, surroundings};
use crate::proto::breaking::{State, States};
use crate::proto::finding::Complaint;
use crate::proto::schema::File;

pub fn package_no_delete(states: &States<'_>) -> Vec<(String, Complaint)> {
    let after = states.after.packages();
    let gone = states.before.packages().into_iter();
    gone.filter(|(package, _)| !after.contains_key(package))
        .map(|(package, files)| {
            let message = format!("package `{package}` is gone");
            (
                files[0].name().to_owned(),
                Complaint::new(Vec::new(), message),
            )
        })
        .collect()
}

/// The definitions of a kind that packages no longer have, unless the package went as a whole.
fn gone(
    states: &States<'_>,
    kind: &str,
    names: impl Fn(&File<'_>) -> BTreeSet<String>,
) -> Vec<(String, Complaint)> {
    let listed = |state: &State<'_>| {
        let mut listed: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for file in state.files() {
            let package = file.proto.package().to_owned();
            let names = names(file).into_iter();
            let in_file = names.map(|name| (name, file.name().to_owned()));
            listed.entry(package).or_default().extend(in_file);
        }
        listed
    };
    let after = listed(states.after);
    let mut complaints = Vec::new();
    for (package, names) in listed(states.before) {
        let Some(left) = after.get(&package) else {
            continue;
        };
        for (name, file) in names {
            if left.contains_key(&name) {
                continue;
            }
            let message = format!("{kind} `{name}` is gone from package `{package}`");
            let path = states.after.file(&file).map(|it| surroundings(it, &name));
            complaints.push((file, Complaint::new(path.unwrap_or_default(), message)));
        }
    }
    complaints
}

pub fn package_enum_no_delete(states: &States<'_>) -> Vec<(String, Complaint)> {
    gone(states, "enum", |file| {
        file.enums.iter().map(|it| it.nested_name.clone()).collect()
    })
}

pub fn package_extension_no_delete(states: &States<'_>) -> Vec<(String, Complaint)> {
    gone(states, "extension", extensions)
}

pub fn package_message_no_delete(states: &States<'_>) -> Vec<(String, Complaint)> {
    gone(states, "message", |file| {
        let messages = file.messages.iter();
        messages.map(|it| it.nested_name.clone()).collect()
    })
}

pub fn package_service_no_delete(states: &States<'_>) -> Vec<(String, Complaint)> {
    gone(states, "service", |file| {
        let services = file.services.iter();
        services.map(|it| it.proto.name().to_owned()).collect()
    })
}
