//! Words in the conventions of Rust, protobuf and English.

/// Whether Rust has the name as a keyword of any edition.
pub fn is_keyword(name: &str) -> bool {
    // `syn` parses an identifier only when it is no keyword, but does not know those of edition 2024.
    name == "gen" || syn::parse_str::<syn::Ident>(&name.replace(['-', ' '], "_")).is_err()
}

/// Words of any convention as lowercase words joined by hyphens: `UserService` → `user-service`.
pub fn kebab(text: &str) -> String {
    let mut words = String::new();
    let mut previous: Option<char> = None;
    let mut following = text.chars().skip(1);
    for one in text.chars() {
        let next = following.next();
        if one.is_ascii_alphanumeric() {
            let starts_word = one.is_ascii_uppercase()
                && previous.is_some_and(|before| {
                    before.is_ascii_lowercase()
                        || before.is_ascii_digit()
                        || (before.is_ascii_uppercase()
                            && next.is_some_and(|after| after.is_ascii_lowercase()))
                });
            if starts_word && !words.ends_with('-') {
                words.push('-');
            }
            words.push(one.to_ascii_lowercase());
        } else if !words.is_empty() && !words.ends_with('-') {
            words.push('-');
        }
        previous = Some(one);
    }
    words.trim_end_matches('-').to_owned()
}

/// Words of any convention as a file and variable name: `UserService` → `user_service`.
pub fn snake(text: &str) -> String {
    kebab(text).replace('-', "_")
}

/// Words joined by hyphens as a type name: `line-item` → `LineItem`.
pub fn pascal(words: &str) -> String {
    words
        .split(['-', '_'])
        .filter_map(|word| {
            let (first, rest) = word.split_at_checked(1)?;
            Some(first.to_ascii_uppercase() + rest)
        })
        .collect()
}

/// The English plural, by the regular rules.
pub fn plural(singular: &str) -> String {
    let consonant_before_y = singular
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    if let Some(stem) = consonant_before_y {
        return format!("{stem}ies");
    }
    if ["s", "x", "z", "ch", "sh"]
        .iter()
        .any(|ending| singular.ends_with(ending))
    {
        return format!("{singular}es");
    }
    format!("{singular}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kebab_understands_every_convention() {
        for (given, expected) in [
            ("UserService", "user-service"),
            ("userService", "user-service"),
            ("HTTPServer", "http-server"),
            ("GetURL", "get-url"),
            ("S3Bucket", "s3-bucket"),
            ("user service!", "user-service"),
            ("__x__", "x"),
            ("", ""),
        ] {
            assert_eq!(kebab(given), expected, "{given}");
        }
    }

    #[test]
    fn plurals_are_regular() {
        for (one, many) in [
            ("User", "Users"),
            ("Category", "Categories"),
            ("Key", "Keys"),
            ("Address", "Addresses"),
            ("Batch", "Batches"),
        ] {
            assert_eq!(plural(one), many);
        }
    }
}
