//! What of an earlier state is another than at present: only that is compiled.
//!
//! A file with the text that it has at present is what it is at present, unless a name in it means something
//! else there: a file that it imports had other types. What was another is linked with no more than the
//! names of what it imports, and without custom options: no rule looks at those.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;
use protox::file::FileResolver;

use super::skeleton::{bare, public_imports, skeleton};
use crate::proto::compile;
use crate::proto::resolved::{Made, Resolved};
use crate::proto::sources::Sources;

/// Options are looked up in what this file defines, so names are not enough of it.
const OPTIONS: &str = "google/protobuf/descriptor.proto";

/// An earlier state, next to the present one.
pub struct Changes {
    /// The files that were others; what they import is there as well, perhaps as no more than names.
    pub pool: DescriptorPool,
    /// The files that were as they are.
    pub unchanged: BTreeSet<String>,
}

/// Compares an earlier state, the files of these names, with the present one and compiles what was another; nothing where that fails,
/// so that all of the earlier state has to be compiled to know why.
pub fn between(
    (earlier, names): (&Sources, &BTreeSet<String>),
    (present, pool): (&Sources, &DescriptorPool),
) -> Option<Changes> {
    let mut walk = Walk {
        earlier,
        resolver: earlier.resolver(Resolved::default()),
        present,
        pool,
        unchanged: BTreeSet::new(),
        changed: BTreeMap::new(),
    };
    walk.visit(names)?;
    for name in walk.misled() {
        walk.unchanged.remove(&name);
        walk.parse(name)?;
    }
    walk.link()
}

struct Walk<'a, R> {
    earlier: &'a Sources,
    resolver: R,
    /// Where the present files are.
    present: &'a Sources,
    /// The same, compiled.
    pool: &'a DescriptorPool,
    unchanged: BTreeSet<String>,
    /// Parsed, and not linked.
    changed: BTreeMap<String, FileDescriptorProto>,
}

impl<R: FileResolver> Walk<'_, R> {
    /// Tells files that have their present text from others: these, and all that they import.
    fn visit(&mut self, names: &BTreeSet<String>) -> Option<()> {
        let mut pending: Vec<String> = names.iter().cloned().collect();
        while let Some(name) = pending.pop() {
            if self.unchanged.contains(&name) || self.changed.contains_key(&name) {
                continue;
            }
            let now = self.pool.get_file_by_name(&name);
            let now = now.filter(|_| self.has_present_text(&name));
            match now {
                Some(now) => {
                    pending.extend(now.file_descriptor_proto().dependency.iter().cloned());
                    self.unchanged.insert(name);
                }
                None => pending.extend(self.parse(name)?.dependency.iter().cloned()),
            }
        }
        Some(())
    }

    /// What is built in has no text, in either state.
    fn has_present_text(&self, name: &str) -> bool {
        self.earlier.text_of(name) == self.present.text_of(name)
    }

    fn parse(&mut self, name: String) -> Option<&FileDescriptorProto> {
        let file = self.resolver.open_file(&name).ok()?;
        let file = bare(file.file_descriptor_proto().clone());
        Some(self.changed.entry(name).or_insert(file))
    }

    /// The files with their present text in which a name may have meant something else.
    fn misled(&self) -> Vec<String> {
        let differs = |file: &FileDescriptorProto| {
            let now = self.pool.get_file_by_name(file.name());
            now.is_none_or(|now| skeleton(now.file_descriptor_proto()) != skeleton(file))
        };
        let changed = self.changed.values().filter(|file| differs(file));
        let mut seen: BTreeSet<String> = changed.map(|file| file.name().to_owned()).collect();
        if seen.is_empty() {
            return Vec::new();
        }
        let pool = self.pool;
        let unchanged = self.unchanged.iter();
        let unchanged: Vec<_> = unchanged
            .filter_map(|it| pool.get_file_by_name(it))
            .collect();
        let unchanged = || unchanged.iter().map(|it| it.file_descriptor_proto());
        // What is imported by way of others is seen, too.
        loop {
            let before = seen.len();
            for file in unchanged().chain(self.changed.values()) {
                if public_imports(file).any(|it| seen.contains(it)) {
                    seen.insert(file.name().to_owned());
                }
            }
            if seen.len() == before {
                break;
            }
        }
        let misled = unchanged().filter(|it| it.dependency.iter().any(|it| seen.contains(it)));
        misled.map(|file| file.name().to_owned()).collect()
    }

    fn link(self) -> Option<Changes> {
        let resolved = Resolved::default();
        let imports = self.changed.values().flat_map(|it| &it.dependency);
        let mut pending: Vec<String> = imports.cloned().collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = pending.pop() {
            let is_whole = self.changed.contains_key(&name) || name == OPTIONS;
            if is_whole || seen.contains(&name) {
                continue;
            }
            let now = self.pool.get_file_by_name(&name)?;
            let skeleton = skeleton(now.file_descriptor_proto());
            pending.extend(skeleton.dependency.iter().cloned());
            resolved.add(&name, Made::Parsed(Box::new(skeleton)));
            seen.insert(name);
        }
        let names: Vec<String> = self.changed.keys().cloned().collect();
        for (name, file) in self.changed {
            resolved.add(&name, Made::Parsed(Box::new(file)));
        }
        Some(Changes {
            pool: compile::link_resolved(self.earlier, &names, &resolved)?,
            unchanged: self.unchanged,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> (Sources, BTreeSet<String>) {
        let files = files.iter().map(|(name, text)| {
            let text = format!("syntax = \"proto3\";\n{text}");
            ((*name).to_owned(), text)
        });
        let memory: BTreeMap<String, String> = files.collect();
        let names = memory.keys().cloned().collect();
        let sources = Sources {
            memory,
            ..Sources::default()
        };
        (sources, names)
    }

    fn linked((sources, names): &(Sources, BTreeSet<String>)) -> DescriptorPool {
        let names: Vec<String> = names.iter().cloned().collect();
        compile::link(sources, &names).expect("valid")
    }

    /// The files that were others. They are as they are when all is compiled.
    fn changed(before: &[(&str, &str)], after: &[(&str, &str)]) -> Vec<String> {
        let (before, after) = (sources(before), sources(after));
        let (whole, present) = (linked(&before), linked(&after));
        let changes = between((&before.0, &before.1), (&after.0, &present)).expect("valid");
        let mut changed = Vec::new();
        for name in &before.1 {
            let now = match changes.unchanged.contains(name) {
                true => present.get_file_by_name(name),
                false => changes.pool.get_file_by_name(name),
            };
            let descriptor = |file: Option<prost_reflect::FileDescriptor>| {
                let file = file.expect("there").file_descriptor_proto().clone();
                bare(file)
            };
            assert_eq!(descriptor(now), descriptor(whole.get_file_by_name(name)));
            if !changes.unchanged.contains(name) {
                changed.push(name.clone());
            }
        }
        changed
    }

    const USER: (&str, &str) = (
        "user.proto",
        "package a.b; import \"used.proto\"; message User { Kind kind = 1; }",
    );

    #[test]
    fn a_file_with_its_present_text_is_not_compiled_again() {
        let before = "package a.b; message Kind { string name = 1 [deprecated = true]; }";
        let after = "package a.b; message Kind { string title = 2; }";
        let found = changed(
            &[USER, ("used.proto", before)],
            &[USER, ("used.proto", after)],
        );
        assert_eq!(found, ["used.proto"]);
        assert_eq!(
            changed(
                &[USER, ("used.proto", after)],
                &[USER, ("used.proto", after)]
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_file_in_which_a_name_meant_something_else_is_compiled_again() {
        let message = "package a.b; message Kind {}";
        for other in [
            "package a.b; enum Kind { NONE = 0; }",
            "package a; message Kind {}",
        ] {
            let before = [USER, ("used.proto", other)];
            let found = changed(&before, &[USER, ("used.proto", message)]);
            assert_eq!(found, ["used.proto", "user.proto"], "{other}");
        }
    }

    #[test]
    fn what_is_imported_by_way_of_another_file_counts() {
        let by_way = ("used.proto", "import public \"deep.proto\";");
        let deep = |package: &'static str| ("deep.proto", package);
        let before = [USER, by_way, deep("package a; message Kind {}")];
        let after = [USER, by_way, deep("package a.b; message Kind {}")];
        let found = changed(&before, &after);
        assert_eq!(found, ["deep.proto", "used.proto", "user.proto"]);
    }

    #[test]
    fn custom_options_and_what_defines_them_need_no_compiling() {
        let options = (
            "options.proto",
            "package o; import \"google/protobuf/descriptor.proto\"; message Rules { int32 most = 1; }
             extend google.protobuf.FieldOptions { Rules rules = 50000; }",
        );
        let user = |name: &str| {
            format!(
                "import \"options.proto\"; message User {{
                 string {name} = 1 [(o.rules).most = 3, deprecated = true]; }}"
            )
        };
        let (before, after) = (user("name"), user("title"));
        let found = changed(
            &[options, ("user.proto", &before)],
            &[options, ("user.proto", &after)],
        );
        assert_eq!(found, ["user.proto"]);
    }

    #[test]
    fn a_state_that_does_not_compile_is_left_to_who_tells_why() {
        let after = sources(&[USER, ("used.proto", "package a.b; message Kind {}")]);
        let present = linked(&after);
        for broken in ["package a.b; message", "package a.b; message Other {}"] {
            let before = sources(&[USER, ("used.proto", broken)]);
            let changes = between((&before.0, &before.1), (&after.0, &present));
            assert!(changes.is_none(), "{broken}");
        }
    }
}
