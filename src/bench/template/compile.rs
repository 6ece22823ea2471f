//! From JSON with marks in the place of its placeholders to a [`Plan`].
//!
//! Whatever has no mark is encoded by `prost-reflect`, as it would be without a template; only fields with
//! a mark are encoded here, each at its place: fields stand in the order of their numbers.

use std::ops::Range;

use prost::encoding::{WireType, decode_varint};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::encode::{encode, encode_as, encode_element, is_well_known, is_wrapper, key};
use super::generator::{Cell, Cells, Generator};
use super::marks::{Part, Problem, is_marked, is_slot, only_whole, parts, problem, whole};
use super::plan::{DEEPEST, Operation, Plan, Wire};

/// The plan of a message.
pub(super) fn plan(
    descriptor: &MessageDescriptor,
    value: &Value,
    generators: &[Generator],
) -> Result<Plan, Problem> {
    let mut compiler = Compiler {
        plan: Plan {
            generators: generators.to_vec(),
            ..Plan::default()
        },
        depth: 0,
    };
    if is_marked(value) {
        compiler.content(descriptor, value)?;
    } else {
        let bytes = encode(descriptor, value).map_err(|message| Problem {
            slot: None,
            message,
        })?;
        compiler.put(&bytes);
        compiler.plan.generators.clear();
    }
    Ok(compiler.plan)
}

struct Compiler {
    plan: Plan,
    depth: usize,
}

impl Compiler {
    /// The contents of a message.
    fn content(&mut self, descriptor: &MessageDescriptor, value: &Value) -> Result<(), Problem> {
        let field = |name: &str| {
            let field = descriptor.get_field_by_name(name);
            field.ok_or_else(|| problem(value, "it is not what it should be".to_owned()))
        };
        match (descriptor.full_name(), value) {
            ("google.protobuf.Timestamp", _) => match self.whole(value) {
                Some((_, Generator::Now)) => {
                    self.plan.operations.push(Operation::Now);
                    Ok(())
                }
                _ => Err(only_whole(value, descriptor.full_name(), "`now`, ")),
            },
            ("google.protobuf.Struct", Value::Object(fields)) => {
                self.map(&field("fields")?, fields)
            }
            ("google.protobuf.ListValue", Value::Array(values)) => {
                self.list(&field("values")?, values)
            }
            ("google.protobuf.Value", Value::Object(_)) => {
                self.element(&field("struct_value")?, value, false)
            }
            ("google.protobuf.Value", Value::Array(_)) => {
                self.element(&field("list_value")?, value, false)
            }
            ("google.protobuf.Value", _) => {
                let is_number = match self.whole(value) {
                    Some((is_bare, generator)) => is_bare && is_numeric(generator),
                    None => false,
                };
                let name = if is_number {
                    "number_value"
                } else {
                    "string_value"
                };
                self.element(&field(name)?, value, false)
            }
            (name, _) if is_wrapper(name) => self.element(&field("value")?, value, false),
            (name, Value::Object(fields)) if !is_well_known(name) => {
                self.message(descriptor, fields)
            }
            (name, _) => Err(only_whole(value, name, "")),
        }
    }

    /// The fields of a message, by their numbers.
    fn message(
        &mut self,
        descriptor: &MessageDescriptor,
        fields: &Map<String, Value>,
    ) -> Result<(), Problem> {
        enum Field<'a> {
            Known(Vec<u8>),
            Marked(FieldDescriptor, &'a Value),
        }
        let mut all = Vec::new();
        for (name, value) in fields {
            if let Some(Part::Slot { slot, .. }) = parts(name).into_iter().find(is_slot) {
                return Err(Problem {
                    slot: Some(slot),
                    message: "a placeholder cannot stand for the name of a field".to_owned(),
                });
            }
            if is_marked(value) {
                let field = descriptor
                    .get_field_by_json_name(name)
                    .or_else(|| descriptor.get_field_by_name(name))
                    .ok_or_else(|| problem(value, "extensions take no placeholders".to_owned()))?;
                all.push((field.number(), Field::Marked(field, value)));
                continue;
            }
            let bytes = encode(descriptor, &json!({ name: value }))
                .map_err(|message| problem(value, message))?;
            // A default value is not sent.
            if let Ok(key) = decode_varint(&mut bytes.as_slice()) {
                all.push(((key >> 3) as u32, Field::Known(bytes)));
            }
        }
        all.sort_by_key(|(number, _)| *number);
        for (_, field) in all {
            match field {
                Field::Known(bytes) => self.put(&bytes),
                Field::Marked(field, value) => self.field(&field, value)?,
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &FieldDescriptor, value: &Value) -> Result<(), Problem> {
        match value {
            Value::Object(entries) if field.is_map() => self.map(field, entries),
            Value::Array(elements) if field.is_list() => self.list(field, elements),
            // A list or a map as a whole may come from a column.
            _ => self.element(field, value, false),
        }
    }

    fn map(
        &mut self,
        field: &FieldDescriptor,
        entries: &Map<String, Value>,
    ) -> Result<(), Problem> {
        let Kind::Message(entry) = field.kind() else {
            unreachable!("maps have entries");
        };
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        for (name, inner) in entries {
            let name = match (key.kind(), name.as_str()) {
                (Kind::Bool, "true" | "false") => Value::Bool(name == "true"),
                _ => Value::String(name.clone()),
            };
            self.open(field, inner)?;
            self.element(&key, &name, false)?;
            self.element(&value, inner, false)?;
            self.close(true);
        }
        Ok(())
    }

    fn list(&mut self, field: &FieldDescriptor, elements: &[Value]) -> Result<(), Problem> {
        let is_packed = field.is_packed();
        if is_packed {
            self.open(field, &Value::Null)?;
        }
        for element in elements {
            self.element(field, element, is_packed)?;
        }
        if is_packed {
            self.close(true);
        }
        Ok(())
    }

    /// One value of a field, with its key unless it is a part of a packed list.
    fn element(
        &mut self,
        field: &FieldDescriptor,
        value: &Value,
        is_packed: bool,
    ) -> Result<(), Problem> {
        if !is_marked(value) {
            let bytes = encode_element(field, value, is_packed)
                .map_err(|message| problem(value, message))?;
            self.put(&bytes);
            return Ok(());
        }
        if let Some((slot, is_bare)) = whole(value)
            && let Generator::Pick(cells) = &self.plan.generators[slot]
        {
            let cells = cells.clone();
            return self.pick(field, (slot, is_bare), &cells, is_packed);
        }
        match field.kind() {
            Kind::Message(inner) if field.is_group() => {
                let number = field.number();
                self.put(&key(number, WireType::StartGroup));
                self.content(&inner, value)?;
                self.put(&key(number, WireType::EndGroup));
                Ok(())
            }
            Kind::Message(inner) => {
                self.open(field, value)?;
                self.content(&inner, value)?;
                self.close(true);
                Ok(())
            }
            Kind::String => self.text(field, value),
            Kind::Bool => Err(only_whole(value, "bool", "")),
            Kind::Bytes => Err(only_whole(value, "bytes", "")),
            kind => self.number(field, &kind, value, is_packed),
        }
    }

    fn text(&mut self, field: &FieldDescriptor, value: &Value) -> Result<(), Problem> {
        let text = value.as_str().unwrap_or_default();
        self.open(field, value)?;
        for part in parts(text) {
            match part {
                Part::Text(text) => self.put(text.as_bytes()),
                Part::Slot { slot, .. } => self.plan.operations.push(Operation::Text { slot }),
            }
        }
        self.close(field.is_list() || field.supports_presence());
        Ok(())
    }

    fn number(
        &mut self,
        field: &FieldDescriptor,
        kind: &Kind,
        value: &Value,
        is_packed: bool,
    ) -> Result<(), Problem> {
        let (wire, wire_type) = match kind {
            Kind::Double => (Wire::Double, WireType::SixtyFourBit),
            Kind::Float => (Wire::Float, WireType::ThirtyTwoBit),
            Kind::Int32 | Kind::Enum(_) => (Wire::Varint32, WireType::Varint),
            Kind::Sint32 | Kind::Sint64 => (Wire::Zigzag, WireType::Varint),
            Kind::Fixed32 | Kind::Sfixed32 => (Wire::Fixed32, WireType::ThirtyTwoBit),
            Kind::Fixed64 | Kind::Sfixed64 => (Wire::Fixed64, WireType::SixtyFourBit),
            _ => (Wire::Varint, WireType::Varint),
        };
        let slot = match self.whole(value) {
            Some((_, generator)) if is_numeric(generator) => whole(value).expect("it is").0,
            _ => {
                return Err(problem(
                    value,
                    "a number takes one placeholder that gives numbers, and nothing beside it"
                        .to_owned(),
                ));
            }
        };
        if let (Generator::Seq(seq), Some(greatest)) =
            (&mut self.plan.generators[slot], greatest(kind))
        {
            seq.span = (greatest - seq.first).unsigned_abs() + 1;
        }
        let key = match is_packed {
            true => 0..0,
            false => self.keep(&key(field.number(), wire_type)),
        };
        self.plan.operations.push(Operation::Number {
            key,
            slot,
            wire,
            keep_zero: field.is_list() || field.supports_presence(),
        });
        Ok(())
    }

    /// A value that is one of several.
    fn pick(
        &mut self,
        field: &FieldDescriptor,
        (slot, is_bare): (usize, bool),
        cells: &Cells,
        is_packed: bool,
    ) -> Result<(), Problem> {
        let first = self.plan.choices.len() as u32;
        for (index, cell) in cells.cells.iter().enumerate() {
            let value = match (is_bare, cell) {
                (false, Cell::Text(text) | Cell::Json(text)) => Value::String(text.clone()),
                (true, cell) => serde_json::from_str(&cell.value()).unwrap_or(Value::Null),
            };
            let is_whole = field.is_list() && value.is_array() || field.is_map();
            let encoded = match is_whole {
                true => encode_as(field, value),
                false => encode_element(field, &value, is_packed),
            };
            let bytes = encoded.map_err(|message| Problem {
                slot: Some(slot),
                message: format!(
                    "value {} of it, `{}`, is not for field `{}`: {message}",
                    index + 1,
                    cell.text(),
                    field.json_name()
                ),
            })?;
            let range = self.keep(&bytes);
            self.plan.choices.push(range);
        }
        self.plan.operations.push(Operation::Pick {
            slot,
            order: cells.order,
            choices: first..self.plan.choices.len() as u32,
        });
        Ok(())
    }

    /// The generator that is all there is of a value, and whether it is no part of a string.
    fn whole(&self, value: &Value) -> Option<(bool, &Generator)> {
        let (slot, is_bare) = whole(value)?;
        Some((is_bare, &self.plan.generators[slot]))
    }

    fn open(&mut self, field: &FieldDescriptor, value: &Value) -> Result<(), Problem> {
        if self.depth == DEEPEST {
            let message = format!("placeholders stand in at most {DEEPEST} messages");
            return Err(problem(value, message));
        }
        self.depth += 1;
        let key = self.keep(&key(field.number(), WireType::LengthDelimited));
        self.plan.operations.push(Operation::Open { key });
        Ok(())
    }

    fn close(&mut self, keep_empty: bool) {
        self.depth -= 1;
        self.plan.operations.push(Operation::Close { keep_empty });
    }

    /// Adds bytes that are always the same.
    fn put(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let range = self.keep(bytes);
        match self.plan.operations.last_mut() {
            Some(Operation::Static(last)) if last.end == range.start => last.end = range.end,
            _ => self.plan.operations.push(Operation::Static(range)),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<u32> {
        let start = self.plan.bytes.len() as u32;
        self.plan.bytes.extend_from_slice(bytes);
        start..self.plan.bytes.len() as u32
    }
}

/// The greatest number of a field of 32 bits.
fn greatest(kind: &Kind) -> Option<i64> {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Enum(_) => Some(i32::MAX.into()),
        Kind::Uint32 | Kind::Fixed32 => Some(u32::MAX.into()),
        _ => None,
    }
}

fn is_numeric(generator: &Generator) -> bool {
    matches!(
        generator,
        Generator::Seq(_) | Generator::RandomInt(_) | Generator::NowIn(_)
    )
}
