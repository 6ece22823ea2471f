//! A part is built here with one manifest and by users with another: both must say the same.

use toml::de::{DeTable, DeValue};

fn section<'a>(manifest: &'a DeTable<'_>, name: &str) -> Option<&'a DeValue<'a>> {
    manifest.get(name).map(|value| value.get_ref())
}

fn parse(manifest: &str) -> DeTable<'_> {
    DeTable::parse(manifest)
        .expect("a manifest is TOML")
        .into_inner()
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

/// What a section says but for its key `default`: here every feature is on, so that all is tested.
/// Another part is beside ours, and a member of the users' workspace.
fn all_but_the_default(section: &DeValue<'_>) -> String {
    let table = section.as_table().expect("a table").iter();
    let entries = table.filter(|(key, _)| key.get_ref() != "default");
    let entries = entries.map(|(key, value)| {
        let key = key.get_ref();
        let ours = format!("{{path=\"../{key}\"}}");
        let value = canonical(value.get_ref()).replace(&ours, "{workspace=true}");
        let value = value.replace(&format!("path=\"../{key}\""), "workspace=true");
        format!("{key}={value}")
    });
    entries.collect::<Vec<_>>().join("\n")
}

/// Both have the same dependencies and features.
pub fn assert_same_dependencies_and_features(ours: &str, users: &str) {
    let (ours, users) = (parse(ours), parse(users));
    for name in ["dependencies", "features"] {
        assert_eq!(
            section(&ours, name).map(all_but_the_default),
            section(&users, name).map(all_but_the_default),
            "[{name}]"
        );
    }
}

/// The features that are on by default.
pub fn default_features(manifest: &str) -> String {
    let manifest = parse(manifest);
    let features = section(&manifest, "features").and_then(DeValue::as_table);
    let default = features.expect("there are features").get("default");
    canonical(default.expect("there is a default").get_ref())
}

/// Users run the tests that lie beside the source; those in `tests/` need more.
pub fn assert_ours_has_what_the_users_tests_need(ours: &str, users: &str) {
    let (ours, users) = (parse(ours), parse(users));
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

/// It is read as it is, here.
pub fn assert_no_template_language(users: &str) {
    assert!(!users.contains("{{") && !users.contains("{%"));
}
