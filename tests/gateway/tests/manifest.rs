//! The gateway is built here with one manifest and by users with another: both must say the same.

use toml::de::{DeTable, DeValue};

const OURS: &str = include_str!("../Cargo.toml");
const USERS: &str = include_str!("../../../templates/gateway/Cargo.toml.tera");

/// The dependencies by name, without positions, so that they compare by what they say.
fn dependencies(manifest: &'static str) -> Vec<(String, String)> {
    let manifest = DeTable::parse(manifest).expect("TOML").into_inner();
    let section = manifest.get("dependencies").expect("there are some");
    let table = section.get_ref().as_table().expect("a table").iter();
    table
        // Where the chassis lies is what differs.
        .filter(|(name, _)| name.get_ref() != "chassis")
        .map(|(name, value)| (name.get_ref().to_string(), canonical(value.get_ref())))
        .collect()
}

fn canonical(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Table(table) => {
            let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                format!("{key}={}", canonical(value.get_ref()))
            };
            let entries: Vec<String> = table.iter().map(entry).collect();
            format!("{{{}}}", entries.join(","))
        }
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(|it| canonical(it.get_ref())).collect();
            format!("[{}]", items.join(","))
        }
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Boolean(boolean) => boolean.to_string(),
        other => panic!("a manifest holds no {other:?}"),
    }
}

#[test]
fn both_manifests_have_the_same_dependencies() {
    assert_eq!(dependencies(OURS), dependencies(USERS));
}

#[test]
fn the_users_manifest_has_no_template_language() {
    assert!(!USERS.contains("{{") && !USERS.contains("{%"));
}
