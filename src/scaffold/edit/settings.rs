//! Adding sections to the configuration of a service.

use toml_edit::{DocumentMut, Item};

use crate::scaffold::edit::Obstacle;

/// Adds a section at the end of a configuration, unless it has it. `section` is its whole text, with the
/// heading `[name]`.
///
/// # Errors
/// When the text is not TOML.
pub fn with_section(text: &str, name: &str, section: &str) -> Result<String, Obstacle> {
    let document = text.parse::<DocumentMut>();
    let document =
        document.map_err(|error| Obstacle::new(format!("it is not TOML: {error}"), section))?;
    let mut item = Some(document.as_item());
    for key in name.split('.') {
        item = item.and_then(|item| item.get(key));
    }
    if item.is_some_and(|item| !item.is_none()) {
        return Ok(text.to_owned());
    }
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let gap = if text.trim().is_empty() { "" } else { "\n" };
    Ok(format!("{text}{end}{gap}{}\n", section.trim_end()))
}

/// Sets a key of a table that is there, unless it is set; `None` where there is no such table.
pub fn with_key(text: &str, table: &str, key: &str, value: Item) -> Option<String> {
    let mut document = text.parse::<DocumentMut>().ok()?;
    let mut item = document.as_item_mut();
    for part in table.split('.') {
        item = item.get_mut(part)?;
    }
    let found = item.as_table_mut()?;
    if !found.contains_key(key) {
        found.insert(key, value);
    }
    Some(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &str = "[app.database]\nurl = \"a\" # where\n";

    #[test]
    fn a_section_comes_last_and_once() {
        let text = "[server]\nport = 1\n\n[app]\nsample_data = true # yes\n";
        let edited = with_section(text, "app.database", SECTION).expect("TOML");
        assert_eq!(edited, format!("{text}\n{SECTION}"));
        let again = with_section(&edited, "app.database", SECTION);
        assert_eq!(again.as_ref(), Ok(&edited));
    }

    #[test]
    fn a_key_is_set_in_a_table_that_is_there() {
        let text = "[registry.static]\n# here\n";
        let addresses: toml_edit::Array = ["127.0.0.1:1"].into_iter().collect();
        let item = || Item::Value(addresses.clone().into());
        assert_eq!(
            with_key(
                "[registry.static]\n",
                "registry.static",
                "user-service",
                item()
            )
            .as_deref(),
            Some("[registry.static]\nuser-service = [\"127.0.0.1:1\"]\n")
        );
        assert!(with_key(text, "registry.consul", "a", item()).is_none());
    }
}
