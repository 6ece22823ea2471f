//! What users get is built here with one manifest and by them with another: both must say the same.

use toml::de::{DeTable, DeValue};

/// The two manifests of a crate.
pub struct Manifests {
    ours: DeTable<'static>,
    users: DeTable<'static>,
}

impl Manifests {
    pub fn parse(ours: &'static str, users: &'static str) -> Self {
        assert!(
            !users.contains("{{") && !users.contains("{%"),
            "the users' manifest has no template language"
        );
        let [ours, users] = [ours, users].map(|text| {
            let manifest = DeTable::parse(text);
            manifest.expect("a manifest is TOML").into_inner()
        });
        Self { ours, users }
    }

    /// Both have the same dependencies and, but for the default, the same features.
    pub fn assert_equal(&self) {
        for name in ["dependencies", "features"] {
            assert_eq!(
                section(&self.ours, name).map(all_but_the_default),
                section(&self.users, name).map(all_but_the_default),
                "[{name}]"
            );
        }
    }

    /// Here every feature is on, so that all is tested; users begin with `users`.
    pub fn assert_defaults(&self, users: &str) {
        let every: Vec<String> = section(&self.ours, "features")
            .expect("there are features")
            .as_table()
            .expect("a table")
            .keys()
            .map(|name| format!("{:?}", name.get_ref()))
            .filter(|name| name != r#""default""#)
            .collect();
        assert_eq!(default(&self.ours), format!("[{}]", every.join(",")));
        assert_eq!(default(&self.users), users);
    }

    /// Users run the tests that lie beside the source; ours may need more.
    pub fn assert_users_tests_have_what_they_need(&self) {
        let users = section(&self.users, "dev-dependencies").and_then(DeValue::as_table);
        let ours = section(&self.ours, "dev-dependencies").expect("ours has some");
        for (name, wanted) in users.expect("theirs has some") {
            let found = ours.get(name.get_ref().as_ref());
            assert_eq!(
                found.map(|found| canonical(found.get_ref())),
                Some(canonical(wanted.get_ref())),
                "{}",
                name.get_ref()
            );
        }
    }
}

fn section<'a>(manifest: &'a DeTable<'_>, name: &str) -> Option<&'a DeValue<'a>> {
    manifest.get(name).map(|value| value.get_ref())
}

fn default(manifest: &DeTable<'_>) -> String {
    let features = section(manifest, "features").and_then(DeValue::as_table);
    let features = features.expect("there are features");
    let default = features.get("default").expect("there is a default");
    canonical(default.get_ref())
}

fn all_but_the_default(section: &DeValue<'_>) -> Vec<String> {
    let table = section.as_table().expect("a table").iter();
    let entries = table.filter(|(key, _)| key.get_ref() != "default");
    let entries =
        entries.map(|(key, value)| format!("{}={}", key.get_ref(), canonical(value.get_ref())));
    entries.collect()
}

/// Where a crate of the workspace is: here by its path, in a user's workspace by its table of
/// dependencies. That is the only difference there is, in the value or in the dotted key, but that
/// users have no features that are on from the start.
fn is_place(key: &str) -> bool {
    ["path", "workspace", "default-features"].contains(&key)
}

/// The text without positions, so that two sections compare by what they say.
fn canonical(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Table(table) => {
            let is_ours = table.iter().any(|(key, _)| key.get_ref() == "path")
                || table.iter().any(|(key, _)| key.get_ref() == "workspace");
            let entries = table.iter().filter(|(key, _)| !is_ours || !is_place(key.get_ref()));
            let entries: Vec<String> = entries
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
