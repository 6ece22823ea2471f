//! `msvc add saga`: steps that a service does as a whole or undoes.

use std::path::Path;

use clap::Args;
use tera::Context as Values;

use super::{Options, Planned, name, served, target};
use crate::error::{Diagnostic, Result};
use crate::project::Project;
use crate::scaffold::draft::Draft;
use crate::scaffold::edit::handler::NewField;
use crate::scaffold::edit::{rust, wiring};
use crate::scaffold::equip;
use crate::scaffold::names::{ServiceName, pascal, snake};
use crate::scaffold::parts::{self, Part};
use crate::scaffold::plan::Plan;
use crate::scaffold::templates;

/// Arguments of `msvc add saga`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc add saga place-order --to order-service")]
pub struct SagaArgs {
    /// What it is called.
    #[arg(value_name = "SAGA")]
    pub name: String,
    /// The service that gets it [default: the only one]. It has to have a database.
    #[arg(long, value_name = "SERVICE")]
    pub to: Option<String>,
    /// Whether to ask, and whether to do it.
    #[command(flatten)]
    pub options: Options,
}

#[derive(Debug, thiserror::Error)]
enum SagaError {
    #[error("`{to}` has a saga `{saga}` already: {path}")]
    Exists {
        to: ServiceName,
        saga: String,
        path: String,
    },
    #[error("`{0}` has no database, in which its sagas would outlive the process")]
    NoDatabase(ServiceName),
}

impl Diagnostic for SagaError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Exists { path, .. } => format!("remove {path} to have it made anew"),
            Self::NoDatabase(to) => format!("add one first: `msvc add database --to {to}`"),
        })
    }
}

/// Plans a saga. Errors show files as seen from `directory`.
///
/// # Errors
/// When a name is none or is unknown, when the saga is there, when the service has no database or its code is
/// not recognised.
pub fn plan(project: &Project, directory: &Path, args: &SagaArgs) -> Result<Planned> {
    let saga = args.name.as_str();
    name::check("saga", saga)?;
    let to = target(&project.manifest, args.to.as_deref())?;
    let folder = format!("services/{to}");
    let lib = format!("{folder}/src/lib.rs");
    let module = format!("{}_saga", snake(saga));
    let path = format!("{folder}/src/{module}.rs");
    let mut draft = Draft::new(&project.root);
    if draft.has(&path) {
        let saga = saga.to_owned();
        return Err(SagaError::Exists { to, saga, path }.into());
    }
    if !draft.text(&lib)?.contains("storage::Settings") {
        return Err(SagaError::NoDatabase(to).into());
    }
    parts::lay(&mut draft, Part::Saga, &[])?;
    parts::use_in(&mut draft, Part::Saga, &to)?;
    let input = format!("{}Input", pascal(saga));
    let mut values = Values::new();
    values.insert("saga", saga);
    values.insert("input", &input);
    draft.create(&path, templates::render("add/saga.rs.tera", &values)?);

    let input_path = format!("crate::{module}::{input}");
    draft.edit(&lib, |text| rust::with_module(text, &module, ""))?;
    draft.edit(&lib, |text| rust::with_export(text, &input_path))?;
    draft.edit(&lib, |text| {
        let field = "/// How its sagas are worked on.\npub sagas: saga::Settings";
        rust::with_setting(text, "sagas", field)
    })?;
    for import in ["saga::Sagas", "saga::Store"] {
        draft.edit(&lib, |text| rust::with_import(text, import))?;
    }
    let warnings = equip::make_async(&mut draft, project, &to)?;
    draft.edit(&lib, |text| {
        let sagas =
            "let sagas = Sagas::new(Store::database(&database).await?, config.app.sagas.clone());";
        wiring::with_statement(text, "sagas", sagas)
    })?;
    let equipment = equip::Equipment {
        field: NewField {
            name: &module,
            of: &format!("Handle<{input}>"),
            summary: &format!("Starts sagas of the kind `{saga}`."),
        },
        statement: &format!("let {module} = sagas.add({module}::saga());"),
        imports: &["saga::Handle", &input_path],
        is_used_later: false,
    };
    let served = served(project, directory, &to)?;
    equip::hand_to_handlers(&mut draft, project, &to, &served, &equipment)?;
    draft.edit(&lib, |text| {
        wiring::with_page(text, "/sagas", "sagas.page()")
    })?;
    draft.edit(&lib, |text| {
        wiring::with_background(text, "sagas", "sagas.worker()")
    })?;
    let mut plan = Plan::default();
    draft.finish(&mut plan);
    Ok(Planned {
        plan,
        added: vec![format!("the saga {saga} to {to}")],
        warnings,
        hint: Some(format!(
            "handlers start it by `self.{module}.start(id, &input)`; its steps in {path} are an example"
        )),
    })
}
