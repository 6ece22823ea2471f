//! Names of files, their syntax and their imports.

use crate::proto::finding::Complaint;
use crate::proto::lint::{Scope, case, usage};
use crate::proto::schema::{File, tag};

pub fn file_lower_snake_case(_: &Scope<'_>, file: &File<'_>) -> Vec<Complaint> {
    let base = file.name().rsplit('/').next().unwrap_or_default();
    let stem = base.strip_suffix(".proto").unwrap_or(base);
    let expected = case::lower_snake(stem);
    if stem == expected {
        return Vec::new();
    }
    let message = format!("the file's name `{base}` is not in lower_snake_case");
    let help = format!("call it `{expected}.proto`");
    vec![Complaint::new(Vec::new(), message).help(help)]
}

pub fn syntax_specified(_: &Scope<'_>, file: &File<'_>) -> Vec<Complaint> {
    if file.location(&[tag::FILE_SYNTAX]).is_some() {
        return Vec::new();
    }
    let message = "the file does not say its syntax, so it is `proto2`";
    vec![Complaint::new(Vec::new(), message).help("begin it with `syntax = \"proto3\";`")]
}

pub fn import_no_public(_: &Scope<'_>, file: &File<'_>) -> Vec<Complaint> {
    let indices = file.proto.public_dependency.iter();
    let complaint = |&index: &i32| {
        let message = format!("`{}` is imported publicly", import(file, index)?);
        Some(
            Complaint::new(vec![tag::FILE_DEPENDENCY, index], message)
                .help("drop `public`, and import it where it is used"),
        )
    };
    indices.filter_map(complaint).collect()
}

pub fn import_no_weak(_: &Scope<'_>, file: &File<'_>) -> Vec<Complaint> {
    let indices = file.proto.weak_dependency.iter();
    let complaint = |&index: &i32| {
        let message = format!("`{}` is imported weakly", import(file, index)?);
        Some(Complaint::new(vec![tag::FILE_DEPENDENCY, index], message).help("drop `weak`"))
    };
    indices.filter_map(complaint).collect()
}

pub fn import_used(scope: &Scope<'_>, file: &File<'_>) -> Vec<Complaint> {
    let unused = usage::unused_imports(scope.pool, file.name());
    let complaint = |index: usize| {
        let index = i32::try_from(index).ok()?;
        let message = format!("nothing of `{}` is used", import(file, index)?);
        Some(Complaint::new(vec![tag::FILE_DEPENDENCY, index], message).help("remove the import"))
    };
    unused.into_iter().filter_map(complaint).collect()
}

fn import<'a>(file: &File<'a>, index: i32) -> Option<&'a str> {
    let index = usize::try_from(index).ok()?;
    file.proto.dependency.get(index).map(String::as_str)
}
