//! Wiring a service: `services` in its `lib.rs` sets up what the handlers need, which may take time and
//! may fail, so it becomes asynchronous and takes the whole configuration when the first such thing is
//! added.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;

use crate::scaffold::edit::Obstacle;
use crate::scaffold::edit::rust::{Edit, Source, mentions, splice, with_import};

/// What `services` looks like once something is wired.
const WIRED: &str = "pub async fn services(config: &Config<Settings>) -> Result<Services, chassis::Error> {\n    \
                     let settings = &config.app;\n    …\n    Ok(services)\n}";
/// The path of the configuration's type.
const CONFIG: &str = "chassis::config::Config";
/// How tests of a new service start it, and how they do once something is wired.
const PLAIN_TEST: &str = "let server = testing::serve(services(&Settings::default())).await;";
const WIRED_TEST: &str = "let config = Config::<Settings>::default();\n    \
                          let services = services(&config).await.expect(\"it is set up\");\n    \
                          let server = testing::serve(services).await;";

/// Makes `services` asynchronous, if it is not.
///
/// # Errors
/// When it is not there or has another form.
pub fn with_async_services(text: &str) -> Result<String, Obstacle> {
    let source = Source::parse(text)?;
    let function = services(&source)?;
    if function.sig.asyncness.is_some() {
        return Ok(text.to_owned());
    }
    let refused = || {
        Obstacle::new(
            "`services` does not take `&Settings` and return `Services`",
            WIRED,
        )
    };
    let (Some(syn::FnArg::Typed(parameter)), 1, syn::ReturnType::Type(_, output)) = (
        function.sig.inputs.first(),
        function.sig.inputs.len(),
        &function.sig.output,
    ) else {
        return Err(refused());
    };
    let is_plain =
        source.text_of(&parameter.ty) == "&Settings" && source.text_of(output) == "Services";
    let (true, Some(syn::Stmt::Expr(tail, None)), syn::Pat::Ident(parameter)) =
        (is_plain, function.block.stmts.last(), &*parameter.pat)
    else {
        return Err(refused());
    };
    let signature =
        "async fn services(config: &Config<Settings>) -> Result<Services, chassis::Error>";
    let (vis, sig) = (
        source.range(function.vis.span()),
        source.range(function.sig.span()),
    );
    let tail = source.range(tail.span());
    let mut edits = vec![
        (sig, signature.to_owned()),
        (tail.start..tail.start, "Ok(".to_owned()),
        (tail.end..tail.end, ")".to_owned()),
        (
            vis.start..vis.start,
            "///\n/// # Errors\n/// When what it needs cannot be set up.\n".to_owned(),
        ),
    ];
    let parameter = &parameter.ident;
    if mentions(function.block.to_token_stream(), &parameter.to_string()) {
        let at = source.range(function.block.brace_token.span.open()).end;
        edits.push((at..at, format!("\n    let {parameter} = &config.app;")));
    }
    with_import(&splice(text, edits), CONFIG)
}

/// Has `main` await `services`.
///
/// # Errors
/// When it does not call it as a new service does.
pub fn with_async_main(text: &str) -> Result<String, Obstacle> {
    const PLAIN: &str = "services(&config.app)";
    const ASYNC: &str = "services(&config).await?";
    if text.contains(ASYNC) {
        return Ok(text.to_owned());
    }
    match text.matches(PLAIN).count() {
        1 => Ok(text.replace(PLAIN, ASYNC)),
        _ => Err(Obstacle::new(
            format!("`{PLAIN}` is not in it"),
            format!("let services = {ASYNC};"),
        )),
    }
}

/// Has a test await `services`, where it starts it as the tests of a new service do; `None` where it calls
/// `services` otherwise.
pub fn with_async_test(text: &str) -> Option<String> {
    if text.contains(PLAIN_TEST) {
        let edited = text.lines().map(|line| match line.trim() {
            PLAIN_TEST => {
                let indent = &line[..line.len() - line.trim_start().len()];
                line.replace(
                    PLAIN_TEST,
                    &WIRED_TEST.replace("\n    ", &format!("\n{indent}")),
                )
            }
            _ => line.to_owned(),
        });
        let edited: Vec<String> = edited.collect();
        return with_import(&(edited.join("\n") + "\n"), CONFIG).ok();
    }
    let calls = text.contains("services(") && !text.contains("services(&config).await");
    (!calls).then(|| text.to_owned())
}

/// Has the tests of a new service set something before they start it.
pub fn with_test_setting(text: &str, statement: &str) -> String {
    const PLAIN: &str = "let config = Config::<Settings>::default();";
    const MUTABLE: &str = "let mut config = Config::<Settings>::default();";
    let text = text.replace(PLAIN, MUTABLE);
    match text.contains(statement) {
        true => text,
        false => text.replace(MUTABLE, &format!("{MUTABLE}\n{statement}")),
    }
}

/// Adds `let name = …;` to `services`, behind what was set up before; `statement` is its text.
///
/// # Errors
/// When there is no `services`.
pub fn with_statement(text: &str, name: &str, statement: &str) -> Result<String, Obstacle> {
    let source = Source::parse(text)?;
    let function = services(&source)?;
    let block = &function.block;
    let binds = |it: &syn::Stmt| match it {
        syn::Stmt::Local(local) => mentions(local.pat.to_token_stream(), name),
        _ => false,
    };
    if block.stmts.iter().any(binds) {
        return Ok(text.to_owned());
    }
    let sets_up = |it: &&syn::Stmt| {
        let text = source.text_of(*it);
        matches!(it, syn::Stmt::Local(_))
            && (text.contains(".await?") || text.ends_with("&config.app;"))
    };
    let at = match block.stmts.iter().rfind(sets_up) {
        Some(last) => source.range(last.span()).end,
        None => source.range(block.brace_token.span.open()).end,
    };
    Ok(splice(text, vec![(at..at, format!("\n    {statement}"))]))
}

/// Has a service not be ready while something does not answer; `probe` asks it.
///
/// # Errors
/// When `services` does not begin with the descriptors, as in a new service.
pub fn with_dependency(text: &str, name: &str, probe: &str) -> Result<String, Obstacle> {
    with_call(text, ("depends_on", name), probe)
}

/// Has work go on beside the calls; `work` is what does it.
///
/// # Errors
/// When `services` does not begin with the descriptors, as in a new service.
pub fn with_background(text: &str, name: &str, work: &str) -> Result<String, Obstacle> {
    with_call(text, ("background", name), work)
}

/// Adds a page to the admin server; `page` makes it.
///
/// # Errors
/// When `services` does not begin with the descriptors, as in a new service.
pub fn with_page(text: &str, path: &str, page: &str) -> Result<String, Obstacle> {
    with_call(text, ("page", path), page)
}

/// Has what is served get `.method(name, argument)`.
fn with_call(text: &str, (method, name): (&str, &str), argument: &str) -> Result<String, Obstacle> {
    const HEAD: &str = "Services::new(protocol::DESCRIPTOR_SET)";
    let call = format!(".{method}({name:?}, {argument})");
    if text.contains(&format!(".{method}({name:?}")) {
        return Ok(text.to_owned());
    }
    match text.matches(HEAD).count() {
        1 => Ok(text.replace(HEAD, &format!("{HEAD}{call}"))),
        _ => Err(Obstacle::new(format!("`{HEAD}` is not in it"), call)),
    }
}

/// Puts one expression in the place of another in `services`, for each pair.
///
/// # Errors
/// When none of them is there, nor what takes their places.
pub fn with_replacement(text: &str, pairs: &[(&str, &str)]) -> Result<String, Obstacle> {
    let source = Source::parse(text)?;
    let range = source.range(services(&source)?.block.span());
    let body = &text[range.clone()];
    let mut edited = body.to_owned();
    for (old, new) in pairs {
        edited = edited.replace(old, new);
    }
    let is_there = |(_, new): &(&str, &str)| body.contains(new);
    if edited == body && !pairs.iter().any(is_there) {
        let olds: Vec<String> = pairs.iter().map(|(old, _)| format!("`{old}`")).collect();
        let news: Vec<&str> = pairs.iter().map(|(_, new)| *new).collect();
        let what = format!("`services` has none of {}", olds.join(", "));
        return Err(Obstacle::new(what, news.join("\n")));
    }
    Ok(splice(text, vec![(range, edited)]))
}

/// Hands something to a handler where `services` makes it: `Api` becomes `Api::new(argument)`, and
/// `Api::new(a)` gets one more argument.
///
/// # Errors
/// When `services` does not make the handler so.
pub fn with_argument(text: &str, handler: &str, argument: &str) -> Result<String, Obstacle> {
    let source = Source::parse(text)?;
    let function = services(&source)?;
    let name = argument.split('.').next().unwrap_or(argument);
    let mut edits = Vec::new();
    let is_done = hand(
        &source,
        function.block.to_token_stream(),
        (handler, name, argument),
        &mut edits,
    );
    if edits.is_empty() && !is_done {
        return Err(Obstacle::new(
            format!("`services` does not make a `{handler}`"),
            format!("{handler}::new({argument})"),
        ));
    }
    Ok(splice(text, edits))
}

/// Finds where a handler is made; whether it has the argument already.
fn hand(
    source: &Source<'_>,
    tokens: TokenStream,
    (handler, name, argument): (&str, &str, &str),
    edits: &mut Vec<Edit>,
) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_punct =
        |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(it)) if it.as_char() == ':');
    let mut is_done = false;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                is_done |= hand(source, group.stream(), (handler, name, argument), edits);
            }
            TokenTree::Ident(ident) if ident == handler => {
                let is_path = is_punct(at + 1) && is_punct(at + 2);
                match (is_path, tokens.get(at + 3), tokens.get(at + 4)) {
                    (false, _, _) => {
                        let end = source.range(ident.span()).end;
                        edits.push((end..end, format!("::new({argument})")));
                    }
                    (true, Some(TokenTree::Ident(new)), Some(TokenTree::Group(group)))
                        if new == "new" =>
                    {
                        if mentions(group.stream(), name) {
                            is_done = true;
                            continue;
                        }
                        edits.push(appended(source, group, argument));
                    }
                    _ => {}
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    is_done
}

/// One more argument at the end of a list in parentheses.
pub fn appended(source: &Source<'_>, group: &proc_macro2::Group, argument: &str) -> Edit {
    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
    let close = source.range(group.span_close()).start;
    let comma = match inside.last() {
        None => "",
        Some(TokenTree::Punct(it)) if it.as_char() == ',' => " ",
        Some(_) => ", ",
    };
    (close..close, format!("{comma}{argument}"))
}

/// The function that says what a service serves.
fn services<'a>(source: &'a Source<'_>) -> Result<&'a syn::ItemFn, Obstacle> {
    let is_it = |ident: &Ident| ident == "services";
    let mut items = source.file.items.iter();
    let found = items.find_map(|item| match item {
        syn::Item::Fn(function) if is_it(&function.sig.ident) => Some(function),
        _ => None,
    });
    found.ok_or_else(|| Obstacle::new("it has no `fn services`", WIRED))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "use chassis::Services;\n\n/// What this process serves.\n\
        pub fn services(settings: &Settings) -> Services {\n    let api = Api::new(settings.a);\n    \
        Services::new(SET).add(Server::new(api)).add(OtherServer::new(Other))\n}\n";

    #[test]
    fn services_becomes_asynchronous_and_keeps_what_it_does() {
        let wired = with_async_services(PLAIN).expect("plain");
        assert_eq!(
            wired,
            "use chassis::Services;\nuse chassis::config::Config;\n\n/// What this process serves.\n\
             ///\n/// # Errors\n/// When what it needs cannot be set up.\n\
             pub async fn services(config: &Config<Settings>) -> Result<Services, chassis::Error> {\n    \
             let settings = &config.app;\n    let api = Api::new(settings.a);\n    \
             Ok(Services::new(SET).add(Server::new(api)).add(OtherServer::new(Other)))\n}\n"
        );
        assert_eq!(with_async_services(&wired), Ok(wired.clone()));

        let set_up = with_statement(&wired, "users", "let users = connect().await?;");
        let set_up = set_up.expect("found");
        assert_eq!(
            set_up,
            wired.replace(
                "&config.app;\n",
                "&config.app;\n    let users = connect().await?;\n"
            )
        );
        let again = with_statement(&set_up, "users", "let users = connect().await?;");
        assert_eq!(again, Ok(set_up.clone()));
        let both = with_statement(&set_up, "b", "let b = 1;").expect("found");
        assert!(
            both.contains("connect().await?;\n    let b = 1;\n"),
            "{both}"
        );

        let handed = with_argument(&set_up, "Api", "users.clone()").expect("made there");
        let handed = with_argument(&handed, "Other", "users").expect("made there");
        assert_eq!(
            handed,
            set_up
                .replace("settings.a)", "settings.a, users.clone())")
                .replace("(Other)", "(Other::new(users))")
        );
        assert_eq!(with_argument(&handed, "Other", "users"), Ok(handed.clone()));
    }

    #[test]
    fn expressions_are_replaced_within_services_alone() {
        let text = format!(
            "use a::Memory;\n\n{}",
            PLAIN.replace("settings.a", "Memory::new()")
        );
        let edited = with_replacement(&text, &[("Memory::new()", "Sql::new(a)")]);
        assert_eq!(edited, Ok(text.replace("Memory::new()", "Sql::new(a)")),);
        let refused = with_replacement(&text, &[("Other::new()", "Sql::new(a)")]);
        assert_eq!(
            refused,
            Err(Obstacle::new(
                "`services` has none of `Other::new()`",
                "Sql::new(a)"
            ))
        );
        let depends = with_dependency("Services::new(protocol::DESCRIPTOR_SET)", "db", "probe");
        let expected = "Services::new(protocol::DESCRIPTOR_SET).depends_on(\"db\", probe)";
        assert_eq!(depends.as_deref(), Ok(expected));
        assert_eq!(
            with_dependency(expected, "db", "probe").as_deref(),
            Ok(expected)
        );
        assert!(with_dependency("", "db", "probe").is_err());
        let works = with_background(expected, "sagas", "worker").expect("known");
        let all = with_page(&works, "/sagas", "page").expect("known");
        let added = ".page(\"/sagas\", page).background(\"sagas\", worker).depends_on";
        assert_eq!(all, expected.replace(".depends_on", added));
        assert_eq!(with_background(&all, "sagas", "worker"), Ok(all));
    }

    #[test]
    fn another_form_is_refused_with_what_is_wanted() {
        let other = PLAIN.replace("&Settings", "Settings");
        let obstacle = with_async_services(&other).expect_err("another form");
        assert_eq!(obstacle.snippet, WIRED);
        let obstacle = with_argument(PLAIN, "Third", "users").expect_err("not made there");
        assert_eq!(
            obstacle,
            Obstacle::new("`services` does not make a `Third`", "Third::new(users)")
        );
        assert_eq!(with_async_test("fn a() {\n    services(&b);\n}\n"), None);
        assert_eq!(
            with_async_test(&format!("fn a() {{\n        {PLAIN_TEST}\n}}\n")).as_deref(),
            Some(
                "use chassis::config::Config;\n\nfn a() {\n        \
                 let config = Config::<Settings>::default();\n        \
                 let services = services(&config).await.expect(\"it is set up\");\n        \
                 let server = testing::serve(services).await;\n}\n"
            )
        );
        assert!(with_async_main("fn main() {}").is_err());
        assert_eq!(
            with_async_main("x::services(&config.app);").as_deref(),
            Ok("x::services(&config).await?;")
        );
    }
}
