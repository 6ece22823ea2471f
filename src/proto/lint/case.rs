//! The cases that names are written in, with buf's idea of where a word begins: a digit begins none,
//! and a run of capitals is one word.

/// `user_name` and `userName` as `UserName`; capitals stay.
pub fn pascal(name: &str) -> String {
    let mut pascal = String::with_capacity(name.len());
    let mut begins = true;
    for one in name.chars() {
        if is_delimiter(one) {
            begins = true;
            continue;
        }
        match begins {
            true => pascal.extend(one.to_uppercase()),
            false => pascal.push(one),
        }
        begins = false;
    }
    pascal
}

/// `UserName` as `user_name`.
pub fn lower_snake(name: &str) -> String {
    snake(name).to_lowercase()
}

/// `UserName` as `USER_NAME`.
pub fn upper_snake(name: &str) -> String {
    snake(name).to_uppercase()
}

fn snake(name: &str) -> String {
    let letters: Vec<char> = name.trim_matches(is_delimiter).chars().collect();
    let mut snake = String::with_capacity(letters.len() + 4);
    for (index, &one) in letters.iter().enumerate() {
        if is_delimiter(one) {
            if !snake.ends_with('_') {
                snake.push('_');
            }
            continue;
        }
        let begins_word = one.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') && {
            let after_lower = letters[index - 1].is_lowercase();
            let before_lower = letters.get(index + 1).is_some_and(|next| {
                !next.is_uppercase() && !next.is_numeric() && !is_delimiter(*next)
            });
            after_lower || before_lower
        };
        if begins_word {
            snake.push('_');
        }
        snake.push(one);
    }
    snake
}

fn is_delimiter(one: char) -> bool {
    matches!(one, '.' | '-' | '_' | ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_where_buf_says() {
        for (name, expected) in [
            ("UserName", "user_name"),
            ("userName", "user_name"),
            ("HTTPServer", "http_server"),
            ("ServerHTTP", "server_http"),
            ("address2", "address2"),
            ("sha256Sum", "sha256_sum"),
            ("a__b", "a_b"),
            ("_a_", "a"),
            ("user-file", "user_file"),
            ("V1", "v1"),
        ] {
            assert_eq!(lower_snake(name), expected, "{name}");
        }
    }

    #[test]
    fn capitals_within_a_word_stay_in_pascal_case() {
        for (name, expected) in [
            ("user_name", "UserName"),
            ("userName", "UserName"),
            ("HTTPServer", "HTTPServer"),
            ("Foo_Bar", "FooBar"),
        ] {
            assert_eq!(pascal(name), expected, "{name}");
        }
    }
}
