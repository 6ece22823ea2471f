//! Adding to the manifests of Cargo.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use crate::scaffold::edit::Obstacle;

/// Adds a crate of the workspace: to its members and, by its path, to the shared dependencies.
///
/// # Errors
/// When the text is not TOML, or `[workspace] members` is no list.
pub fn with_crate(text: &str, name: &str) -> Result<String, Obstacle> {
    let path = format!("crates/{name}");
    let snippet = format!("[workspace]\nmembers = [\"{path}\"]");
    let mut document = parse(text, &snippet)?;
    let members = document
        .get_mut("workspace")
        .and_then(|workspace| workspace.get_mut("members"))
        .and_then(Item::as_array_mut)
        .ok_or_else(|| Obstacle::new("`[workspace]` has no list of `members`", snippet))?;
    let covers =
        |member: &str| member == path || member == "crates/*" || member == format!("./{path}");
    if !members.iter().filter_map(Value::as_str).any(covers) {
        // Crates stand together, before the services.
        let is_crate = |member: &Value| member.as_str().is_some_and(|it| it.starts_with("crates/"));
        let after_last = (0..members.len())
            .rfind(|at| members.get(*at).is_some_and(is_crate))
            .map_or(0, |at| at + 1);
        insert(members, after_last, &path);
    }
    let dependencies = table(&mut document, &["workspace", "dependencies"]);
    if !dependencies.contains_key(name) {
        let mut entry = InlineTable::new();
        entry.insert("path", path.into());
        // Beside the others that stand in the workspace.
        let ours = dependencies.iter().filter(|(_, item)| {
            item.get("path")
                .and_then(Item::as_str)
                .is_some_and(|path| path.starts_with("crates/"))
        });
        let last = ours.map(|(name, _)| name.to_owned()).last();
        insert_behind(dependencies, last.as_deref(), name, entry.into());
    }
    Ok(document.to_string())
}

/// Adds a dependency that the workspace knows.
///
/// # Errors
/// When the text is not TOML.
pub fn with_dependency(text: &str, name: &str) -> Result<String, Obstacle> {
    let snippet = format!("[dependencies]\n{name}.workspace = true");
    let mut document = parse(text, &snippet)?;
    let dependencies = table(&mut document, &["dependencies"]);
    if dependencies.contains_key(name) {
        return Ok(text.to_owned());
    }
    let mut entry = InlineTable::new();
    entry.insert("workspace", true.into());
    entry.set_dotted(true);
    let others = dependencies.iter().map(|(other, _)| other);
    let last = others.filter(|other| *other < name).last();
    let last = last.map(str::to_owned);
    insert_behind(dependencies, last.as_deref(), name, entry.into());
    Ok(document.to_string())
}

/// Turns on features of a crate of the workspace: adds them to `default`.
///
/// # Errors
/// When the text is not TOML, or `default` is no list.
pub fn with_default_features(text: &str, features: &[&str]) -> Result<String, Obstacle> {
    let snippet = format!("[features]\ndefault = {features:?}");
    let mut document = parse(text, &snippet)?;
    let default = document
        .get_mut("features")
        .and_then(|all| all.get_mut("default"));
    let default = default
        .and_then(Item::as_array_mut)
        .ok_or_else(|| Obstacle::new("`[features]` has no list `default`", snippet))?;
    for feature in features {
        if !default.iter().any(|it| it.as_str() == Some(feature)) {
            default.push(*feature);
        }
    }
    Ok(document.to_string())
}

fn parse(text: &str, snippet: &str) -> Result<DocumentMut, Obstacle> {
    let parsed: Result<DocumentMut, _> = text.parse();
    parsed.map_err(|error| Obstacle::new(format!("it is not TOML: {error}"), snippet))
}

fn table<'a>(document: &'a mut DocumentMut, path: &[&str]) -> &'a mut Table {
    let mut table = document.as_table_mut();
    for key in path {
        let item = table
            .entry(key)
            .or_insert_with(|| Item::Table(Table::new()));
        if !item.is_table() {
            let whole = std::mem::take(item);
            *item = Item::Table(whole.into_table().unwrap_or_default());
        }
        table = item.as_table_mut().expect("it was made one");
    }
    table
}

/// Puts a value into a list laid out as its neighbours are.
fn insert(list: &mut Array, at: usize, value: &str) {
    let neighbour = at.checked_sub(1).and_then(|before| list.get(before));
    let mut value = Value::from(value);
    if let Some(neighbour) = neighbour {
        let prefix = neighbour.decor().prefix().cloned();
        if let Some(prefix) = prefix {
            value.decor_mut().set_prefix(prefix);
        }
    }
    if at == 1 && !list.iter().any(|it| it.to_string().contains('\n')) {
        value.decor_mut().set_prefix(" ");
    }
    list.insert_formatted(at, value);
}

/// Puts an entry right behind another, so that groups of entries with their comments stay.
fn insert_behind(table: &mut Table, behind: Option<&str>, name: &str, value: Value) {
    let mut following = Vec::new();
    let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
    let first = behind.map_or(0, |behind| {
        names
            .iter()
            .position(|name| name == behind)
            .map_or(names.len(), |at| at + 1)
    });
    for name in &names[first..] {
        following.extend(table.remove_entry(name));
    }
    table.insert(name, Item::Value(value));
    for (key, item) in following {
        table.insert_formatted(&key, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = r#"# ours
[workspace]
members = ["crates/chassis", "crates/protocol", "services/*"] # all of them

[workspace.dependencies]
chassis = { path = "crates/chassis" }
protocol = { path = "crates/protocol" }

# From elsewhere.
serde = "1"
"#;

    #[test]
    fn a_crate_joins_the_workspace_and_comments_stay() {
        let edited = with_crate(WORKSPACE, "storage").expect("edited");
        assert_eq!(
            edited,
            WORKSPACE
                .replace(
                    "\"crates/protocol\", ",
                    "\"crates/protocol\", \"crates/storage\", "
                )
                .replace(
                    "\"crates/protocol\" }\n",
                    "\"crates/protocol\" }\nstorage = { path = \"crates/storage\" }\n"
                )
        );
        assert_eq!(
            with_crate(&edited, "storage").as_deref(),
            Ok(edited.as_str())
        );
    }

    #[test]
    fn members_over_several_lines_stay_so() {
        let text = "[workspace]\nmembers = [\n    \"crates/a\",\n    \"services/*\",\n]\n";
        let edited = with_crate(text, "storage").expect("edited");
        assert!(
            edited.starts_with(
                "[workspace]\nmembers = [\n    \"crates/a\",\n    \"crates/storage\",\n    \"services/*\",\n]\n"
            ),
            "{edited}"
        );
    }

    #[test]
    fn a_dependency_comes_where_the_alphabet_has_it() {
        let text = "[dependencies]\nchassis.workspace = true\nserde.workspace = true # for settings\n\
                    tonic.workspace = true\n\n[dev-dependencies]\na = \"1\"\n";
        let edited = with_dependency(text, "storage").expect("edited");
        assert_eq!(
            edited,
            text.replace("tonic", "storage.workspace = true\ntonic")
        );
        assert_eq!(with_dependency(&edited, "storage"), Ok(edited));
    }

    #[test]
    fn features_are_turned_on_once() {
        let text = "[features]\ndefault = [] # off\n";
        let edited = with_default_features(text, &["auth", "tls"]).expect("edited");
        assert_eq!(edited, "[features]\ndefault = [\"auth\", \"tls\"] # off\n");
        assert_eq!(with_default_features(&edited, &["tls"]), Ok(edited));
    }

    #[test]
    fn a_manifest_of_another_form_is_refused_with_what_to_add() {
        assert_eq!(
            with_crate("[package]\nname = \"x\"\n", "storage"),
            Err(Obstacle::new(
                "`[workspace]` has no list of `members`",
                "[workspace]\nmembers = [\"crates/storage\"]"
            ))
        );
    }
}
