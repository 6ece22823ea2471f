//! `msvc add database`: a service keeps what it has in a database of its own.

use std::fs;
use std::path::Path;

use clap::Args;
use tera::Context as Values;

use super::{Options, Planned, served, target};
use crate::error::{Diagnostic, IoContext, Result};
use crate::infra::resource::Resource;
use crate::manifest;
use crate::project::Project;
use crate::scaffold::draft::Draft;
use crate::scaffold::edit::handler::NewField;
use crate::scaffold::edit::{rust, settings, wiring};
use crate::scaffold::equip;
use crate::scaffold::names::{ServiceName, StarterNames};
use crate::scaffold::parts::{self, Part};
use crate::scaffold::plan::Plan;
use crate::scaffold::templates;

/// Arguments of `msvc add database`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc add database --to user-service")]
pub struct DatabaseArgs {
    /// The service that gets it [default: the only one].
    #[arg(long, value_name = "SERVICE")]
    pub to: Option<String>,
    /// Whether to ask, and whether to do it.
    #[command(flatten)]
    pub options: Options,
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` has a database already")]
struct Exists(ServiceName);

impl Diagnostic for Exists {
    fn hint(&self) -> Option<String> {
        Some(format!(
            "its tables are made by services/{}/migrations: add a file there, and its name in \
             `MIGRATIONS`",
            self.0
        ))
    }
}

/// Where the database is while no other is named.
fn section(service: &ServiceName) -> String {
    format!(
        "[app.database]\n# `msvc run` names PostgreSQL's instead while `msvc up` runs it.\n\
         url = \"sqlite:../../.msvc/data/{service}.db\"\n"
    )
}

/// Plans a database.
///
/// # Errors
/// When the service is unknown, has one, or its code is not recognised.
pub fn plan(project: &Project, directory: &Path, args: &DatabaseArgs) -> Result<Planned> {
    let to = target(&project.manifest, args.to.as_deref())?;
    let folder = format!("services/{to}");
    let lib = format!("{folder}/src/lib.rs");
    let mut draft = Draft::new(&project.root);
    if draft.text(&lib)?.contains("storage::Settings") {
        return Err(Exists(to).into());
    }
    parts::lay(&mut draft, Part::Storage, &["postgres"])?;
    parts::use_in(&mut draft, Part::Storage, &to)?;
    draft.edit(&lib, |text| {
        let field = "/// Where what it keeps is kept.\npub database: storage::Settings";
        rust::with_setting(text, "database", field)
    })?;
    let warnings = equip::make_async(&mut draft, project, &to)?;
    equip::set_in_tests(
        &mut draft,
        project,
        &to,
        "config.app.database = storage::Settings::at(\"sqlite::memory:\");",
    )?;
    let open = "let database = Database::open(&config.app.database, MIGRATIONS).await?;";
    draft.edit(&lib, |text| rust::with_import(text, "storage::Database"))?;
    draft.edit(&lib, |text| rust::with_import(text, "storage::Migration"))?;
    let hint = match starter(project, &to)? {
        Some(names) => {
            keep_entities(&mut draft, &to, &names, open)?;
            format!(
                "{} are kept in {folder}/src/sql.rs, by what {folder}/migrations makes",
                names.plural_words
            )
        }
        None => {
            hand_database(&mut draft, (project, directory), &to, open)?;
            format!("handlers have it as `self.database`; its tables come from {folder}/migrations")
        }
    };
    draft.edit(&lib, |text| {
        wiring::with_dependency(text, "database", "database.probe()")
    })?;
    draft.edit(&format!("{folder}/config/default.toml"), |text| {
        settings::with_section(text, "app.database", &section(&to))
    })?;
    let mut plan = Plan::default();
    draft.finish(&mut plan);
    let text = manifest::with_need(&project.manifest_text, &to, Resource::Postgres)?;
    plan.write(manifest::FILE_NAME, text);
    Ok(Planned {
        plan,
        added: vec![format!("a database to {to}")],
        warnings,
        hint: Some(hint),
    })
}

/// The names in a service that was made from its name alone, as long as it keeps what it has in memory.
fn starter(project: &Project, service: &ServiceName) -> Result<Option<StarterNames>> {
    let names = StarterNames::new(service);
    let path = project
        .service_folder(service.as_str())
        .join("src/repository.rs");
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).when("read", &path)?;
    let memory = format!("pub struct Memory{}", names.entities);
    Ok(text.contains(&memory).then_some(names))
}

/// A repository in SQL beside the one in memory, and in its place.
fn keep_entities(
    draft: &mut Draft,
    service: &ServiceName,
    names: &StarterNames,
    open: &str,
) -> Result {
    let folder = format!("services/{service}");
    let lib = format!("{folder}/src/lib.rs");
    let mut values = Values::new();
    values.insert("names", names);
    let package: Vec<&str> = names.package.split('.').collect();
    values.insert("rust_package", &package.join("::"));
    for (path, template) in [
        ("src/sql.rs".to_owned(), "add/sql.rs.tera"),
        (
            format!("migrations/0001_{}.sql", names.variables),
            "add/migration.sql.tera",
        ),
    ] {
        draft.create(
            format!("{folder}/{path}"),
            templates::render(template, &values)?,
        );
    }
    let store = format!("Sql{}", names.entities);
    draft.edit(&lib, |text| rust::with_module(text, "sql", ""))?;
    draft.edit(&lib, |text| {
        rust::with_export(text, &format!("crate::sql::{store}"))
    })?;
    draft.edit(&lib, |text| {
        let script = format!("0001_{}", names.variables);
        rust::with_constant(text, "MIGRATIONS", &migrations(&[&script]))
    })?;
    draft.edit(&lib, |text| wiring::with_statement(text, "database", open))?;
    let memory = format!("Memory{}", names.entities);
    draft.edit(&lib, |text| {
        wiring::with_replacement(
            text,
            &[
                (
                    &format!("{memory}::with_samples()"),
                    &format!("{store}::with_samples(database.clone()).await?"),
                ),
                (
                    &format!("{memory}::default()"),
                    &format!("{store}::new(database.clone())"),
                ),
            ],
        )
    })
}

/// The database itself, for handlers that were made from protos.
fn hand_database(
    draft: &mut Draft,
    (project, directory): (&Project, &Path),
    service: &ServiceName,
    open: &str,
) -> Result {
    let folder = format!("services/{service}");
    let served = served(project, directory, service)?;
    draft.create(
        format!("{folder}/migrations/README.md"),
        templates::text("add/migrations.md"),
    );
    draft.edit(&format!("{folder}/src/lib.rs"), |text| {
        rust::with_constant(text, "MIGRATIONS", &migrations(&[]))
    })?;
    let equipment = equip::Equipment {
        field: NewField {
            name: "database",
            of: "Database",
            summary: "Where what it keeps is kept.",
        },
        statement: open,
        imports: &["storage::Database"],
        is_used_later: true,
    };
    equip::hand_to_handlers(draft, project, service, &served, &equipment)
}

/// The list of scripts that make the tables.
fn migrations(scripts: &[&str]) -> String {
    format!(
        "/// What makes the tables, in this order; a script that was applied somewhere stays as it is.\n\
         const MIGRATIONS: &[Migration] = storage::migrations!{scripts:?};"
    )
}
