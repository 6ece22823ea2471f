//! Who gets a name that several want.
//!
//! Pure: no I/O.

use std::collections::HashSet;

/// What an identifier is one of: only those of one kind collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Types and modules of a module.
    Item,
    /// Traits of services, which have modules of their own.
    Trait,
    /// Fields of a struct.
    Field,
    /// Functions of an `impl` block.
    Function,
    /// Variants of an enum.
    Variant,
}

/// An identifier in its kind.
pub type Ident = (Space, String);

/// The identifiers that a scope has already.
#[derive(Debug, Default)]
pub struct Taken(HashSet<Ident>);

impl Taken {
    /// A scope in which nothing may have these names.
    pub fn reserving(space: Space, names: &[&str]) -> Self {
        Self(names.iter().map(|it| (space, it.to_string())).collect())
    }

    fn is_free(&self, ident: &Ident) -> bool {
        !ident.1.is_empty() && !self.0.contains(ident)
    }

    /// Takes identifiers, all or none.
    pub fn take(&mut self, idents: Vec<Ident>) -> bool {
        // Those of one name are different among themselves, or they cannot be had at all.
        let distinct = |(index, ident): (usize, &Ident)| !idents[..index].contains(ident);
        let is_free = idents.iter().all(|ident| self.is_free(ident));
        let is_free = is_free && idents.iter().enumerate().all(distinct);
        if is_free {
            self.0.extend(idents);
        }
        is_free
    }
}

/// A name in a proto that wants to be one in Rust.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The name.
    pub name: &'a str,
    /// Of those that are spelled in Rust otherwise than in the proto, the lowest goes first.
    pub order: i32,
    /// The word that it gets appended when its own name cannot be had.
    pub suffix: &'static str,
}

/// Gives every name what it can have: the names that take the place of those that cannot be had.
///
/// A name that Rust spells as the proto does goes before one that is only folded to it; among those,
/// the order is that of [`Wish::order`], then that of the alphabet. What loses gets its suffix, with a
/// number where that is taken as well, and never anything that another has by its own name. So the
/// outcome depends on what collides alone.
pub fn distribute(
    wishes: &[Wish<'_>],
    taken: &mut Taken,
    idents: impl Fn(usize, &str) -> Vec<Ident>,
) -> Vec<Option<String>> {
    let own: Vec<Vec<Ident>> = (0..)
        .zip(wishes)
        .map(|(i, it)| idents(i, it.name))
        .collect();
    let is_folded = |index: usize| {
        let spelled = own[index]
            .first()
            .map(|(_, ident)| ident.trim_start_matches("r#"));
        spelled != Some(wishes[index].name)
    };
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|&it| (is_folded(it), wishes[it].order, wishes[it].name));
    let mut own: Vec<Option<Vec<Ident>>> = own.into_iter().map(Some).collect();
    order.retain(|&index| !taken.take(own[index].take().unwrap_or_default()));
    let mut replaced = vec![None; wishes.len()];
    for index in order {
        let Wish { name, suffix, .. } = wishes[index];
        let numbered = (2..).map(|number| format!("{name}_{suffix}{number}"));
        let mut candidates = std::iter::once(format!("{name}_{suffix}")).chain(numbered);
        replaced[index] = candidates.find(|it| taken.take(idents(index, it)));
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::namer::idents::camel;

    fn distributed(names: &[&str]) -> Vec<String> {
        let wishes: Vec<Wish<'_>> = names
            .iter()
            .map(|name| Wish {
                name,
                order: 0,
                suffix: "message",
            })
            .collect();
        let mut taken = Taken::reserving(Space::Item, &["Arc"]);
        let idents = |_, name: &str| vec![(Space::Item, camel(name))];
        let replaced = distribute(&wishes, &mut taken, idents);
        names
            .iter()
            .zip(replaced)
            .map(|(name, replaced)| camel(&replaced.unwrap_or_else(|| name.to_string())))
            .collect()
    }

    #[test]
    fn the_spelling_of_rust_goes_first_and_nobody_loses_to_a_suffix() {
        assert_eq!(
            distributed(&["FOO", "Arc", "foo", "Foo", "FooMessage", "_"]),
            [
                "FooMessage2",
                "ArcMessage",
                "FooMessage3",
                "Foo",
                "FooMessage",
                "Message"
            ]
        );
    }

    #[test]
    fn the_order_of_the_files_does_not_matter() {
        let names = ["HTTPServer", "HttpServer", "Http_server"];
        let expected = ["HttpServerMessage", "HttpServer", "HttpServerMessage2"];
        for turn in 0..names.len() {
            let mut turned = names;
            let mut as_well = expected;
            turned.rotate_left(turn);
            as_well.rotate_left(turn);
            assert_eq!(distributed(&turned), as_well);
        }
    }
}
