use super::*;

fn template(text: &str) -> Template {
    Template::parse(text).expect(text)
}

fn matcher(templates: &[(&'static str, &'static str)]) -> Matcher<&'static str> {
    let mut matcher = Matcher::default();
    for (method, text) in templates {
        let added = matcher.add(method, &template(text), *text);
        assert_eq!(added, Ok(()), "{text}");
    }
    matcher
}

fn found(matcher: &Matcher<&'static str>, method: &str, path: &str) -> Found<&'static str> {
    matcher.find(Some(method), path).0
}

#[test]
fn the_most_specific_template_wins() {
    let matcher = matcher(&[
        ("GET", "/v1/users/{id}"),
        ("GET", "/v1/users/me"),
        ("GET", "/v1/users/{id}/friends"),
        ("GET", "/v1/{path=**}"),
        ("GET", "/v1/users/{id}:ban"),
        ("GET", "/v1/{path=**}:list"),
    ]);
    for (path, expected) in [
        ("/v1/users/me", "/v1/users/me"),
        ("/v1/users/17", "/v1/users/{id}"),
        ("/v1/users/me/friends", "/v1/users/{id}/friends"),
        ("/v1/users/me/enemies", "/v1/{path=**}"),
        ("/v1/users", "/v1/{path=**}"),
        ("/v1", "/v1/{path=**}"),
        ("/v1/", "/v1/{path=**}"),
        ("/v1/users/17:ban", "/v1/users/{id}:ban"),
        ("/v1/users/17:unban", "/v1/users/{id}"),
        ("/v1/a/b:list", "/v1/{path=**}:list"),
        ("/v1/u%73ers/me", "/v1/users/me"),
    ] {
        assert_eq!(found(&matcher, "GET", path), Found::One(expected), "{path}");
    }
    for path in ["/", "/v2", "/v1x/users", "", "*"] {
        assert_eq!(found(&matcher, "GET", path), Found::Nothing, "{path}");
    }
}

#[test]
fn one_segment_is_not_nothing_and_not_two() {
    let matcher = matcher(&[("GET", "/v1/{a}/x"), ("GET", "/v1/{a}")]);
    for path in ["/v1/", "/v1//x", "/v1/a/b", "/v1/a/x/", "/v1/a/"] {
        assert_eq!(found(&matcher, "GET", path), Found::Nothing, "{path}");
    }
}

#[test]
fn methods_are_told_where_the_path_is_right() {
    let matcher = matcher(&[
        ("GET", "/v1/{a}"),
        ("POST", "/v1/{a}"),
        ("*", "/any"),
        ("DELETE", "/v1/fixed"),
    ]);
    let others =
        |methods: &[&str]| Found::OtherMethods(methods.iter().map(|it| (*it).to_owned()).collect());
    assert_eq!(found(&matcher, "PUT", "/v1/b"), others(&["GET", "POST"]));
    assert_eq!(
        found(&matcher, "PUT", "/v1/fixed"),
        others(&["DELETE", "GET", "POST"])
    );
    assert_eq!(found(&matcher, "GET", "/v1/fixed"), Found::One("/v1/{a}"));
    assert_eq!(found(&matcher, "HEAD", "/v1/b"), Found::One("/v1/{a}"));
    assert_eq!(found(&matcher, "BREW", "/any"), Found::One("/any"));
    assert_eq!(matcher.find(None, "/v1/fixed").0, Found::One("/v1/fixed"));
}

#[test]
fn a_template_is_added_once() {
    let mut matcher = matcher(&[("GET", "/v1/{a}")]);
    assert_eq!(
        matcher.add("GET", &template("/v1/{b}"), "again"),
        Err("/v1/{a}")
    );
    assert_eq!(matcher.add("PUT", &template("/v1/{b}"), "another"), Ok(()));
}

#[test]
fn variables_have_the_text_of_their_segments() {
    let text = |of: &str, path: &str| -> Vec<Result<String, Undecodable>> {
        let template = template(of);
        let mut matcher = Matcher::default();
        matcher.add("GET", &template, ()).expect("the first");
        let (found, segments) = matcher.find(Some("GET"), path);
        assert_eq!(found, Found::One(()), "{path}");
        let variables = template.variables.iter();
        let texts = variables.map(|it| segments.text(path, &it.segments, it.is_path));
        texts.map(|text| text.map(Cow::into_owned)).collect()
    };
    let ok = |texts: &[&str]| -> Vec<Result<String, Undecodable>> {
        texts.iter().map(|it| Ok((*it).to_owned())).collect()
    };
    assert_eq!(text("/v1/{a}/x/{b}", "/v1/1/x/2"), ok(&["1", "2"]));
    assert_eq!(text("/v1/{a=x/*}", "/v1/x/2"), ok(&["x/2"]));
    assert_eq!(text("/v1/{a=x/**}", "/v1/x"), ok(&["x"]));
    assert_eq!(text("/v1/{a=x/**}:go", "/v1/x/y/z:go"), ok(&["x/y/z"]));
    assert_eq!(text("/{a=**}", "/"), ok(&[""]));
    assert_eq!(text("/{a=**}", "/a:b/c"), ok(&["a:b/c"]));
    assert_eq!(text("/v1/{a}", "/v1/a%2Fb%20c"), ok(&["a/b c"]));
    assert_eq!(
        text("/v1/{a=**}", "/v1/a%2Fb/%2f%20c"),
        ok(&["a%2Fb/%2f c"])
    );
    assert_eq!(text("/v1/{a}", "/v1/+"), ok(&["+"]));
    for malformed in ["/v1/%", "/v1/%2", "/v1/%zz", "/v1/%ff", "/v1/%+1"] {
        assert_eq!(
            text("/v1/{a}", malformed),
            [Err(Undecodable)],
            "{malformed}"
        );
    }
}

/// The same by trying everything.
fn slow<'t>(templates: &[&'t Template], path: &str) -> Vec<&'t Template> {
    fn fits(segments: &[Segment], path: &[&str]) -> bool {
        match (segments, path) {
            ([Segment::Rest], _) | ([], []) => true,
            ([Segment::Literal(literal), after @ ..], [first, rest @ ..]) => {
                literal == first && fits(after, rest)
            }
            ([Segment::Any, after @ ..], [first, rest @ ..]) => {
                !first.is_empty() && fits(after, rest)
            }
            _ => false,
        }
    }
    let pieces: Vec<&str> = path[1..].split('/').collect();
    let fitting = templates.iter().filter(|it| fits(&it.segments, &pieces));
    fitting.copied().collect()
}

/// Numbers that are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

#[test]
fn the_tree_finds_what_trying_everything_finds() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..300 {
        let mut texts = Vec::new();
        for _ in 0..=numbers.below(12) {
            let depth = 1 + numbers.below(4);
            let mut text = String::new();
            for at in 0..depth {
                text.push('/');
                text.push_str(match numbers.below(5) {
                    0 | 1 => ["a", "b", "c"][numbers.below(3)],
                    4 if at + 1 == depth => "**",
                    _ => "*",
                });
            }
            texts.push(text);
        }
        let templates: Vec<Template> = texts.iter().map(|text| template(text)).collect();
        let mut matcher = Matcher::default();
        for template in &templates {
            // One that is there already leads to the same.
            let _ = matcher.add("GET", template, template.to_string());
        }
        let all: Vec<&Template> = templates.iter().collect();
        for _ in 0..50 {
            let mut path = String::new();
            for _ in 0..=numbers.below(5) {
                path.push('/');
                path.push_str(["a", "b", "c", "d", ""][numbers.below(5)]);
            }
            let expected: Vec<String> = slow(&all, &path).iter().map(ToString::to_string).collect();
            match matcher.find(Some("GET"), &path).0 {
                Found::One(found) => {
                    assert!(expected.contains(&found), "{path} {texts:?}");
                    // No other one has a literal where this one has a star.
                    let better = |other: &String| rank(other) < rank(&found);
                    assert!(!expected.iter().any(better), "{path} {found} {expected:?}");
                }
                _ => assert!(expected.is_empty(), "{path} {expected:?}"),
            }
        }
    }
}

/// A literal before `*` before `**`, segment by segment; nothing at all before `**`.
fn rank(template: &str) -> Vec<u8> {
    let pieces = template[1..].split('/');
    let mut ranks: Vec<u8> = pieces
        .map(|piece| match piece {
            "**" => 3,
            "*" => 2,
            _ => 1,
        })
        .collect();
    ranks.push(0);
    ranks
}

#[test]
fn paths_of_any_bytes_end_in_nothing_worse_than_nothing() {
    let matcher = matcher(&[("GET", "/a/{b=**}:c"), ("GET", "/{x}/b"), ("GET", "/*/*")]);
    let mut numbers = Numbers(7);
    let alphabet = [
        "/", ":", "%", "%2f", "%C3", "a", "b", "c", "é", "..", "{", "*",
    ];
    for _ in 0..20_000 {
        let mut path = String::from("/");
        for _ in 0..numbers.below(10) {
            path.push_str(alphabet[numbers.below(alphabet.len())]);
        }
        let (found, segments) = matcher.find(Some("GET"), &path);
        if let Found::One(found) = found {
            for variable in template(found).variables {
                let _ = segments.text(&path, &variable.segments, variable.is_path);
            }
        }
    }
}
