//! The text of a method that is not implemented yet, as rustfmt would have it.

use crate::proto::model::{Method, RustType};
use crate::proto::stubs::scope::Scope;

/// The widest line, rustfmt's default.
const MAX_WIDTH: usize = 100;
/// The widest arguments of a call on one line, rustfmt's default.
const MAX_CALL_WIDTH: usize = 60;
/// How far the text will be indented inside its `impl` block.
const INDENT: usize = 4;

/// A method that answers `UNIMPLEMENTED`, unindented, with the type of its stream where wanted.
pub fn render_method(method: &Method, scope: &Scope, with_stream_type: bool) -> String {
    let request = scope.shorten("tonic::Request");
    let response = scope.shorten("tonic::Response");
    let status = scope.shorten("tonic::Status");
    let result = scope.prelude("Result", "std::result::Result");
    let shorten = |path: &RustType| scope.shorten(&path.0);

    let mut input = shorten(&method.input);
    if method.client_streaming {
        input = format!("{}<{input}>", scope.shorten("tonic::Streaming"));
    }
    let mut text = String::new();
    let output = if method.server_streaming {
        let name = method.stream_type();
        if with_stream_type {
            let stream = scope.shorten("tonic::codegen::BoxStream");
            let item = shorten(&method.output);
            let one_line = format!("type {name} = {stream}<{item}>;");
            text = match INDENT + one_line.len() <= MAX_WIDTH {
                true => one_line + "\n\n",
                false => format!("type {name} =\n    {stream}<{item}>;\n\n"),
            };
        }
        format!("Self::{name}")
    } else {
        shorten(&method.output)
    };

    let name = &method.rust_name;
    let returns = format!("{result}<{response}<{output}>, {status}>");
    let one_line = format!("async fn {name}(&self, request: {request}<{input}>) -> {returns} {{");
    if INDENT + one_line.len() <= MAX_WIDTH {
        text.push_str(&one_line);
    } else {
        let last = format!(") -> {returns}");
        // rustfmt wants the brace to fit behind the indentation of the body.
        let ending = if 2 * INDENT + last.len() + " {".len() <= MAX_WIDTH {
            format!("{last} {{")
        } else if last.len() + " {".len() <= MAX_WIDTH {
            format!("{last}\n{{")
        } else {
            format!(") -> {result}<\n    {response}<{output}>,\n    {status},\n> {{")
        };
        let mut parameter = format!("request: {request}<{input}>,");
        if 2 * INDENT + parameter.len() > MAX_WIDTH {
            parameter = format!("request: {request}<\n        {input},\n    >,");
        }
        text.push_str(&format!(
            "async fn {name}(\n    &self,\n    {parameter}\n{ending}"
        ));
    }
    let variable = if method.client_streaming {
        "_requests"
    } else {
        "_request"
    };
    text.push_str(&format!("\n    let {variable} = request.into_inner();\n"));
    let refusal = format!(
        "{status}::unimplemented(\"{} is not implemented yet\")",
        method.proto_name
    );
    if refusal.len() <= MAX_CALL_WIDTH {
        text.push_str(&format!("    Err({refusal})\n"));
    } else {
        text.push_str(&format!(
            "    Err({status}::unimplemented(\n        \"{} is not implemented yet\",\n    ))\n",
            method.proto_name
        ));
    }
    text.push_str("}\n");
    text
}
