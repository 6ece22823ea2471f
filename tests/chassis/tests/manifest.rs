//! The chassis is built here with one manifest and by users with another: both must say the same.

use toml::de::{DeTable, DeValue};

const OURS: &str = include_str!("../Cargo.toml");
const USERS: &str = include_str!("../../../templates/chassis/Cargo.toml.tera");

fn section<'a>(manifest: &'a DeTable<'_>, name: &str) -> Option<&'a DeValue<'a>> {
    manifest.get(name).map(|value| value.get_ref())
}

/// The text without positions, so that two sections compare by what they say.
fn canonical(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Table(table) => {
            let entries: Vec<String> = table
                .iter()
                .map(|(key, value)| format!("{}={}", key.get_ref(), canonical(value.get_ref())))
                .collect();
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
fn both_manifests_have_the_same_dependencies_and_features() {
    let ours = DeTable::parse(OURS)
        .expect("our manifest is TOML")
        .into_inner();
    let users = DeTable::parse(USERS)
        .expect("the users' manifest is TOML")
        .into_inner();
    for name in ["dependencies", "features"] {
        assert_eq!(
            section(&ours, name).map(all_but_the_default),
            section(&users, name).map(all_but_the_default),
            "[{name}]"
        );
    }
}

/// Here every feature is on, so that all is tested; users begin with none.
fn all_but_the_default(section: &DeValue<'_>) -> String {
    let table = section.as_table().expect("a table").iter();
    let entries = table.filter(|(key, _)| key.get_ref() != "default");
    let entries =
        entries.map(|(key, value)| format!("{}={}", key.get_ref(), canonical(value.get_ref())));
    entries.collect::<Vec<_>>().join(",")
}

#[test]
fn every_feature_is_on_here_and_off_for_users() {
    let default = |text| {
        let manifest = DeTable::parse(text)
            .expect("a manifest is TOML")
            .into_inner();
        let features = section(&manifest, "features").and_then(DeValue::as_table);
        let features = features.expect("there are features");
        canonical(
            features
                .get("default")
                .expect("there is a default")
                .get_ref(),
        )
    };
    assert_eq!(default(OURS), r#"["auth","http","secrets","tls"]"#);
    assert_eq!(default(USERS), "[]");
}

/// Users run the tests that lie beside the source; those in `tests/` need more.
#[test]
fn what_the_users_tests_need_is_what_ours_have() {
    let ours = DeTable::parse(OURS)
        .expect("our manifest is TOML")
        .into_inner();
    let users = DeTable::parse(USERS)
        .expect("the users' manifest is TOML")
        .into_inner();
    let users = section(&users, "dev-dependencies").and_then(DeValue::as_table);
    let ours = section(&ours, "dev-dependencies").expect("ours has some");
    for (name, wanted) in users.expect("theirs has some") {
        let found = ours.get(name.get_ref().as_ref());
        let found = found.map(|found| canonical(found.get_ref()));
        assert_eq!(
            found,
            Some(canonical(wanted.get_ref())),
            "{}",
            name.get_ref()
        );
    }
}

#[test]
fn the_users_manifest_has_no_template_language() {
    assert!(!USERS.contains("{{") && !USERS.contains("{%"));
}
