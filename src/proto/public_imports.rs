//! Imports that bring others along: `import public`, one behind the other.
//!
//! The compiler follows one of them. Where a file uses what is behind several, an import of that is added
//! behind those that it has, and taken away again from what is written for others: it stands nowhere in the
//! source, so it has no place.
//!
//! Pure: descriptors in, descriptors out.

use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;

use crate::proto::schema::tag;

/// Whether a file is imported by whoever has these imports, which are in the pool.
pub fn bring(imports: &[String], wanted: &str, pool: &DescriptorPool) -> bool {
    let mut seen = imports.to_vec();
    let mut at = 0;
    while let Some(file) = seen.get(at) {
        if file == wanted {
            return true;
        }
        at += 1;
        let Some(file) = pool.get_file_by_name(file) else {
            continue;
        };
        for public in file.public_dependencies() {
            if !seen.iter().any(|it| it == public.name()) {
                seen.push(public.name().to_owned());
            }
        }
    }
    false
}

/// How many imports a file has in its source: each of them has a place, and so has none that was added.
pub fn written(file: &FileDescriptorProto) -> usize {
    let all = file.dependency.len();
    let Some(info) = &file.source_code_info else {
        return all;
    };
    let is_import = |path: &[i32]| matches!(path, [tag::FILE_DEPENDENCY, _]);
    let places = info.location.iter().filter(|it| is_import(&it.path));
    places.count().min(all)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::tag;
    use crate::proto::compile::compile;
    use crate::proto::sources::Sources;

    #[test]
    fn what_is_behind_several_public_imports_can_be_used() {
        let files = [
            (
                "a.proto",
                "import \"b.proto\"; import \"e.proto\"; message A { p.D d = 1; E e = 2; }",
            ),
            ("b.proto", "import public \"c.proto\";"),
            ("c.proto", "import public \"d.proto\";"),
            ("d.proto", "package p; message D {}"),
            ("e.proto", "message E {}"),
        ];
        let files = files.map(|(name, text)| {
            let text = format!("syntax = \"proto3\"; {text}");
            (name.to_owned(), text)
        });
        let mut memory = BTreeMap::from(files);
        let compiled = |memory: &BTreeMap<String, String>| {
            let sources = Sources {
                memory: memory.clone(),
                ..Sources::default()
            };
            compile(&sources, &["a.proto".to_owned()])
        };
        let valid = compiled(&memory).expect("valid");
        let encoded = FileDescriptorSet::decode(valid.encoded.as_slice()).expect("valid");
        for set in [&valid.descriptors, &encoded] {
            let file = set.file.iter().find(|it| it.name() == "a.proto");
            let file = file.expect("there");
            assert_eq!(file.dependency, ["b.proto", "e.proto"]);
            assert_eq!(file.message_type[0].field[0].type_name(), ".p.D");
        }

        let missing = "syntax = \"proto3\";\nimport \"b.proto\";\n\
                       message A {\n  p.D d = 1;\n  Missing m = 2;\n} // The end.";
        let mut with_missing = memory.clone();
        with_missing.insert("a.proto".to_owned(), missing.to_owned());
        let error = compiled(&with_missing).expect_err("`Missing` is nowhere");
        let place = error.0.place.as_ref().map(|it| (it.line, it.text.as_str()));
        assert_eq!(place, Some((5, "  Missing m = 2;")), "{error}");

        let not_public = "syntax = \"proto3\"; import \"d.proto\";";
        memory.insert("c.proto".to_owned(), not_public.to_owned());
        let error = compiled(&memory)
            .expect_err("`d.proto` is not imported")
            .to_string();
        assert!(error.contains("is not defined"), "{error}");
    }

    #[test]
    fn an_import_that_was_added_is_told_apart_where_others_were_dropped() {
        let edition = "edition = \"2023\";\nimport \"google/protobuf/cpp_features.proto\";\n\
                       import \"b.proto\";\nmessage A { p.D d = 1; }";
        let proto3 = |text: &str| format!("syntax = \"proto3\"; {text}");
        let files = [
            ("a.proto", edition.to_owned()),
            ("b.proto", proto3("import public \"c.proto\";")),
            ("c.proto", proto3("import public \"d.proto\";")),
            ("d.proto", proto3("package p; message D {}")),
        ];
        let sources = Sources {
            memory: BTreeMap::from(files.map(|(name, text)| (name.to_owned(), text))),
            ..Sources::default()
        };
        let valid = compile(&sources, &["a.proto".to_owned()]).expect("valid");
        let encoded = FileDescriptorSet::decode(valid.encoded.as_slice()).expect("valid");
        for set in [&valid.descriptors, &encoded] {
            let file = set.file.iter().find(|it| it.name() == "a.proto");
            assert_eq!(file.expect("there").dependency, ["b.proto"]);
        }
        let file = valid.descriptors.file.iter();
        let file = file.filter(|it| it.name() == "a.proto");
        let locations = file.flat_map(|it| &it.source_code_info);
        let locations = locations.flat_map(|it| &it.location);
        let imports = locations.filter(|it| it.path.first() == Some(&tag::FILE_DEPENDENCY));
        let imports: Vec<(i32, i32)> = imports.map(|it| (it.path[1], it.span[0])).collect();
        assert_eq!(imports, [(0, 2)]);
    }
}
