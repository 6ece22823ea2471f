//! Giving a service what it needs: set up in `services`, handed to its handlers.

use std::fs;

use crate::error::{IoContext, Result};
use crate::project::Project;
use crate::proto::model::Service;
use crate::scaffold::draft::Draft;
use crate::scaffold::edit::Obstacle;
use crate::scaffold::edit::handler::{self, NewField};
use crate::scaffold::edit::{rust, wiring};
use crate::scaffold::handlers;
use crate::scaffold::names::ServiceName;
use crate::scaffold::user_code;

/// What a service is given.
#[derive(Clone, Copy, Debug)]
pub struct Equipment<'a> {
    /// The field that each handler gets.
    pub field: NewField<'a>,
    /// The statement of `services` that sets it up.
    pub statement: &'a str,
    /// What the files of handlers import for it.
    pub imports: &'a [&'a str],
    /// Whether `services` itself uses it after the handlers got it.
    pub is_used_later: bool,
}

/// Has `services` of a service set things up, and all that call it wait for that. What could not be done in
/// tests is told.
///
/// # Errors
/// When a file cannot be read or is not recognised.
pub fn make_async(
    draft: &mut Draft,
    project: &Project,
    service: &ServiceName,
) -> Result<Vec<String>> {
    let folder = format!("services/{service}");
    let lib = format!("{folder}/src/lib.rs");
    draft.edit(&lib, wiring::with_async_services)?;
    draft.edit(&format!("{folder}/src/main.rs"), wiring::with_async_main)?;
    let tests = project.service_folder(service.as_str()).join("tests");
    let mut warnings = Vec::new();
    for path in user_code::rust_files(&tests)? {
        let relative = user_code::below(&project.root, &path);
        match wiring::with_async_test(draft.text(&relative)?) {
            Some(edited) => draft.edit(&relative, |_| Ok(edited))?,
            None => warnings.push(format!(
                "{relative}: `services` is asynchronous now and takes the whole configuration: \
                 `services(&Config::<Settings>::default()).await`"
            )),
        }
    }
    Ok(warnings)
}

/// Has the tests of a service set something before they start it, where they do as in a new service.
///
/// # Errors
/// When a file cannot be read.
pub fn set_in_tests(
    draft: &mut Draft,
    project: &Project,
    service: &ServiceName,
    statement: &str,
) -> Result {
    let tests = project.service_folder(service.as_str()).join("tests");
    for path in user_code::rust_files(&tests)? {
        let relative = user_code::below(&project.root, &path);
        draft.edit(&relative, |text| {
            Ok(wiring::with_test_setting(text, statement))
        })?;
    }
    Ok(())
}

/// Sets something up in `services` and hands it to each handler of a service.
///
/// # Errors
/// When a file cannot be read or is not recognised.
pub fn hand_to_handlers(
    draft: &mut Draft,
    project: &Project,
    service: &ServiceName,
    served: &[Service],
    equipment: &Equipment<'_>,
) -> Result {
    let lib = format!("services/{service}/src/lib.rs");
    let name = equipment.field.name;
    draft.edit(&lib, |text| {
        wiring::with_statement(text, name, equipment.statement)
    })?;
    let handlers = handlers::handlers(served);
    let argument = match handlers.len() {
        1 if !equipment.is_used_later => name.to_owned(),
        _ => format!("{name}.clone()"),
    };
    let source = project.service_folder(service.as_str()).join("src");
    for handler in &handlers {
        let handler = handler.handler.as_str();
        let mut file = None;
        for path in user_code::rust_files(&source)? {
            let text = fs::read_to_string(&path).when("read", &path)?;
            if handler::declares(&text, handler) {
                file = Some(user_code::below(&project.root, &path));
            }
        }
        let Some(file) = file else {
            let field = equipment.field;
            let snippet = format!(
                "pub struct {handler} {{\n    pub {}: {},\n}}",
                field.name, field.of
            );
            return Err(
                Obstacle::new(format!("no file has a `struct {handler}`"), snippet)
                    .of(&format!("services/{service}/src"))
                    .into(),
            );
        };
        draft.edit(&file, |text| {
            handler::with_field(text, handler, &equipment.field)
        })?;
        for import in equipment.imports {
            draft.edit(&file, |text| rust::with_import(text, import))?;
        }
        draft.edit(&lib, |text| wiring::with_argument(text, handler, &argument))?;
    }
    Ok(())
}
