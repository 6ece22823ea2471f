//! What of a service's `impl` block does not fit the protos any more, and will not compile.
//!
//! Only what is certain is told: types that lead by imports to generated ones. An alias of the user's
//! or a macro may well be right, and the compiler knows. Pure: syntax in, data out.

use proc_macro2::Span;
use serde::Serialize;
use syn::spanned::Spanned as _;

use crate::manifest::place::Place;
use crate::proto::model::{Method, RustType, Service};
use crate::proto::stubs::resolve::{Meaning, ModuleId, Modules};

/// Crates whose types are made from protos.
const GENERATED: &[&str] = &["protocol::", "prost_types::"];

/// Something in the user's code that does not fit the protos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The gRPC service.
    pub service: String,
    /// The method, where there still is one: `GetUser`.
    pub method: Option<String>,
    /// The function or the type in the `impl` block.
    pub item: String,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// An `impl` block of a trait that would be in the crate `protocol`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Implemented {
    /// The path of the trait.
    pub path: String,
    /// Where it is named.
    pub place: Place,
}

/// Compares functions and types with what a service wants.
pub struct Comparison<'a> {
    /// The service whose block it is.
    pub service: &'a Service,
    /// The modules of the file.
    pub modules: &'a Modules,
    /// That in which the block stands.
    pub module: ModuleId,
}

impl Comparison<'_> {
    /// What is wrong with a function.
    pub fn function(&self, function: &syn::ImplItemFn) -> Vec<Mismatch> {
        let ident = &function.sig.ident;
        let name = ident.to_string();
        let mut methods = self.service.methods.iter();
        let Some(method) = methods.find(|method| method.rust_name == name) else {
            return vec![Mismatch {
                service: self.service.full_name.clone(),
                method: None,
                place: place(ident.span()),
                message: format!(
                    "`{name}` implements no method of `{}`, so this does not compile",
                    self.service.full_name
                ),
                help: "remove it, or move it to an `impl` block without a trait".to_owned(),
                item: name,
            }];
        };
        let request = self.request(function, method);
        request
            .into_iter()
            .chain(self.response(function, method))
            .collect()
    }

    /// What is wrong with a type.
    pub fn alias(&self, alias: &syn::ImplItemType) -> Option<Mismatch> {
        let name = alias.ident.to_string();
        let streams = self.service.methods.iter().filter(|it| it.server_streaming);
        let Some(method) = streams.into_iter().find(|it| it.stream_type() == name) else {
            return Some(Mismatch {
                service: self.service.full_name.clone(),
                method: None,
                place: place(alias.ident.span()),
                message: format!(
                    "`{}` has no method with a stream `{name}`, so this does not compile",
                    self.service.full_name
                ),
                help: "remove it".to_owned(),
                item: name,
            });
        };
        let mut leaves = Vec::new();
        leaves_of(&alias.ty, &mut leaves);
        let has_expected = leaves.iter().any(|it| self.is(it, &method.output));
        let other = leaves
            .into_iter()
            .find(|it| self.is_other(it, &method.output));
        let other = other.filter(|_| !has_expected)?;
        Some(self.changed(method, &name, other, "streams", &method.output))
    }

    fn request(&self, function: &syn::ImplItemFn, method: &Method) -> Option<Mismatch> {
        let Some(syn::FnArg::Typed(argument)) = function.sig.inputs.get(1) else {
            return None;
        };
        let inner = argument_of(&argument.ty, "Request")?;
        let name = &method.rust_name;
        match (argument_of(inner, "Streaming"), method.client_streaming) {
            (Some(one), true) => self
                .is_other(one, &method.input)
                .then(|| self.changed(method, name, one, "takes", &method.input)),
            (None, false) => self
                .is_other(inner, &method.input)
                .then(|| self.changed(method, name, inner, "takes", &method.input)),
            (Some(_), false) => {
                Some(self.reshaped(method, inner, "takes", "one message", &method.input))
            }
            (None, true) => self
                .is_generated(inner)
                .then(|| self.reshaped(method, inner, "takes", "a stream", &method.input)),
        }
    }

    fn response(&self, function: &syn::ImplItemFn, method: &Method) -> Option<Mismatch> {
        let syn::ReturnType::Type(_, output) = &function.sig.output else {
            return None;
        };
        let inner = argument_of(argument_of(output, "Result")?, "Response")?;
        let is_stream = matches!(inner, syn::Type::Path(path)
            if path.path.segments.first().is_some_and(|it| it.ident == "Self"));
        match (is_stream, method.server_streaming) {
            (false, false) => self
                .is_other(inner, &method.output)
                .then(|| self.changed(method, &method.rust_name, inner, "returns", &method.output)),
            (false, true) => self.is_generated(inner).then(|| {
                let mut told = self.reshaped(method, inner, "returns", "a stream", &method.output);
                let stream = method.stream_type();
                told.help = format!(
                    "declare `type {stream} = {}<{}>;` in the block and return `Self::{stream}`",
                    self.shorten("tonic::codegen::BoxStream"),
                    self.shorten(&method.output.0)
                );
                told
            }),
            (true, false) => {
                Some(self.reshaped(method, inner, "returns", "one message", &method.output))
            }
            (true, true) => None,
        }
    }

    /// Something has another type than it should.
    fn changed(
        &self,
        method: &Method,
        item: &str,
        found: &syn::Type,
        verb: &str,
        expected: &RustType,
    ) -> Mismatch {
        let wanted = self.shorten(&expected.0);
        Mismatch {
            service: self.service.full_name.clone(),
            method: Some(method.proto_name.clone()),
            item: item.to_owned(),
            place: place(found.span()),
            message: format!(
                "`{}/{}` {verb} `{wanted}` and not `{}`, so this does not compile",
                self.service.full_name,
                method.proto_name,
                written(found)
            ),
            help: format!("write `{wanted}` here"),
        }
    }

    /// Something is a stream and should not be, or the other way round.
    fn reshaped(
        &self,
        method: &Method,
        found: &syn::Type,
        verb: &str,
        shape: &str,
        expected: &RustType,
    ) -> Mismatch {
        let mut wanted = self.shorten(&expected.0);
        if shape == "a stream" {
            wanted = format!("{}<{wanted}>", self.shorten("tonic::Streaming"));
        }
        Mismatch {
            message: format!(
                "`{}/{}` {verb} {shape}, so this does not compile",
                self.service.full_name, method.proto_name
            ),
            help: format!("write `{wanted}` here"),
            ..self.changed(method, &method.rust_name, found, verb, expected)
        }
    }

    fn shorten(&self, path: &str) -> String {
        self.modules.scope(self.module).shorten(path)
    }

    fn is(&self, found: &syn::Type, expected: &RustType) -> bool {
        self.full_paths(found)
            .is_some_and(|it| it.contains(&expected.0))
    }

    /// Whether a type is certainly made from protos, and not the expected one.
    fn is_other(&self, found: &syn::Type, expected: &RustType) -> bool {
        self.is_generated(found) && !self.is(found, expected)
    }

    fn is_generated(&self, found: &syn::Type) -> bool {
        let is_one =
            |path: &String| path == "()" || GENERATED.iter().any(|name| path.starts_with(name));
        let paths = self.full_paths(found);
        paths.is_some_and(|paths| !paths.is_empty() && paths.iter().all(is_one))
    }

    /// The full paths that a type may have, where all are known.
    fn full_paths(&self, found: &syn::Type) -> Option<Vec<String>> {
        match found {
            syn::Type::Tuple(tuple) if tuple.elems.is_empty() => Some(vec!["()".to_owned()]),
            syn::Type::Path(path) if path.qself.is_none() => {
                let meanings = self.modules.meanings(self.module, &path.path).into_iter();
                let full = meanings.map(|meaning| match meaning {
                    Meaning::Full(path) => Some(path),
                    Meaning::Declared | Meaning::Elsewhere(_) => None,
                });
                full.collect()
            }
            _ => None,
        }
    }
}

/// Where a piece of a file is.
pub fn place(span: Span) -> Place {
    let (start, end) = (span.start(), span.end());
    let length = match start.line == end.line {
        true => end.column.saturating_sub(start.column),
        false => 1,
    };
    Place {
        line: start.line,
        column: start.column + 1,
        length: length.max(1),
    }
}

/// A type of the user's, without its arguments.
fn written(found: &syn::Type) -> String {
    let syn::Type::Path(path) = found else {
        return "()".to_owned();
    };
    let parts = path.path.segments.iter();
    let parts: Vec<String> = parts.map(|part| part.ident.to_string()).collect();
    parts.join("::")
}

/// `T` of `Name<T, …>`, whatever stands before `Name`.
fn argument_of<'a>(found: &'a syn::Type, name: &str) -> Option<&'a syn::Type> {
    let syn::Type::Path(path) = found else {
        return None;
    };
    let last = path.path.segments.last().filter(|it| it.ident == name)?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        syn::GenericArgument::Type(argument) => Some(argument),
        _ => None,
    })
}

/// The types without arguments that a type is made of.
fn leaves_of<'a>(found: &'a syn::Type, leaves: &mut Vec<&'a syn::Type>) {
    let bounds = match found {
        syn::Type::TraitObject(object) => &object.bounds,
        syn::Type::ImplTrait(object) => &object.bounds,
        syn::Type::Path(path) => {
            match path.path.segments.last().map(|it| &it.arguments) {
                Some(syn::PathArguments::AngleBracketed(arguments)) => {
                    leaves_of_arguments(arguments, leaves);
                }
                _ => leaves.push(found),
            }
            return;
        }
        _ => return,
    };
    for bound in bounds {
        if let syn::TypeParamBound::Trait(bound) = bound
            && let Some(last) = bound.path.segments.last()
            && let syn::PathArguments::AngleBracketed(arguments) = &last.arguments
        {
            leaves_of_arguments(arguments, leaves);
        }
    }
}

fn leaves_of_arguments<'a>(
    arguments: &'a syn::AngleBracketedGenericArguments,
    leaves: &mut Vec<&'a syn::Type>,
) {
    for argument in &arguments.args {
        match argument {
            syn::GenericArgument::Type(inner) => leaves_of(inner, leaves),
            syn::GenericArgument::AssocType(inner) => leaves_of(&inner.ty, leaves),
            _ => {}
        }
    }
}
