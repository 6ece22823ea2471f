//! The rules, a function each, and the table that names them.

mod enums;
mod fields;
mod files;
mod messages;
mod packages;
mod ranges;
mod services;
mod types;

use crate::proto::breaking::{Check, Rule};
use crate::proto::finding::Category::{File, Package, Wire, WireJson};
use crate::proto::finding::{Category, RuleInfo};

const FILE: &[Category] = &[File];
const CODE: &[Category] = &[File, Package];
const PACKAGE: &[Category] = &[Package];
const JSON: &[Category] = &[File, Package, WireJson];
const ALL: &[Category] = &[File, Package, WireJson, Wire];
const WIRE_JSON: &[Category] = &[WireJson];
const BOTH_WIRES: &[Category] = &[WireJson, Wire];
const WIRE: &[Category] = &[Wire];

const fn rule(
    name: &'static str,
    categories: &'static [Category],
    check: Check,
    purpose: &'static str,
) -> Rule {
    Rule {
        info: RuleInfo {
            name,
            categories,
            purpose,
        },
        check,
    }
}

/// Every rule.
#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("ENUM_NO_DELETE", FILE, Check::File(files::enum_no_delete), "enums stay in their file"),
    rule("EXTENSION_NO_DELETE", FILE, Check::File(files::extension_no_delete), "extensions stay in their file"),
    rule("FILE_NO_DELETE", FILE, Check::Project(files::file_no_delete), "files stay"),
    rule("MESSAGE_NO_DELETE", FILE, Check::File(files::message_no_delete), "messages stay in their file"),
    rule("SERVICE_NO_DELETE", FILE, Check::File(files::service_no_delete), "services stay in their file"),

    rule("PACKAGE_ENUM_NO_DELETE", PACKAGE, Check::Project(packages::package_enum_no_delete), "enums stay in their package"),
    rule("PACKAGE_EXTENSION_NO_DELETE", PACKAGE, Check::Project(packages::package_extension_no_delete), "extensions stay in their package"),
    rule("PACKAGE_MESSAGE_NO_DELETE", PACKAGE, Check::Project(packages::package_message_no_delete), "messages stay in their package"),
    rule("PACKAGE_NO_DELETE", PACKAGE, Check::Project(packages::package_no_delete), "packages stay"),
    rule("PACKAGE_SERVICE_NO_DELETE", PACKAGE, Check::Project(packages::package_service_no_delete), "services stay in their package"),

    rule("ENUM_SAME_TYPE", CODE, Check::Enum(enums::enum_same_type), "enums stay open or closed"),
    rule("ENUM_VALUE_NO_DELETE", CODE, Check::Enum(enums::enum_value_no_delete), "values of enums stay"),
    rule("EXTENSION_MESSAGE_NO_DELETE", CODE, Check::Message(messages::extension_message_no_delete), "ranges for extensions stay"),
    rule("FIELD_NO_DELETE", CODE, Check::Message(messages::field_no_delete), "fields stay"),
    rule("FIELD_SAME_CARDINALITY", CODE, Check::Field(fields::field_same_cardinality), "fields keep how many values they have"),
    rule("FIELD_SAME_CPP_STRING_TYPE", CODE, Check::Field(fields::field_same_cpp_string_type), "fields keep their `ctype`"),
    rule("FIELD_SAME_JAVA_UTF8_VALIDATION", CODE, Check::Field(fields::field_same_java_utf8_validation), "Java keeps checking texts as it did"),
    rule("FIELD_SAME_JSTYPE", CODE, Check::Field(fields::field_same_jstype), "fields keep their `jstype`"),
    rule("FIELD_SAME_TYPE", CODE, Check::Field(types::field_same_type), "fields keep their type"),
    rule("FIELD_SAME_UTF8_VALIDATION", CODE, Check::Field(fields::field_same_utf8_validation), "texts stay checked as they were"),
    rule("FILE_SAME_CC_ENABLE_ARENAS", CODE, Check::File(files::same_cc_enable_arenas), "files keep `cc_enable_arenas`"),
    rule("FILE_SAME_CC_GENERIC_SERVICES", CODE, Check::File(files::same_cc_generic_services), "files keep `cc_generic_services`"),
    rule("FILE_SAME_CSHARP_NAMESPACE", CODE, Check::File(files::same_csharp_namespace), "files keep `csharp_namespace`"),
    rule("FILE_SAME_GO_PACKAGE", CODE, Check::File(files::same_go_package), "files keep `go_package`"),
    rule("FILE_SAME_JAVA_GENERIC_SERVICES", CODE, Check::File(files::same_java_generic_services), "files keep `java_generic_services`"),
    rule("FILE_SAME_JAVA_MULTIPLE_FILES", CODE, Check::File(files::same_java_multiple_files), "files keep `java_multiple_files`"),
    rule("FILE_SAME_JAVA_OUTER_CLASSNAME", CODE, Check::File(files::same_java_outer_classname), "files keep `java_outer_classname`"),
    rule("FILE_SAME_JAVA_PACKAGE", CODE, Check::File(files::same_java_package), "files keep `java_package`"),
    rule("FILE_SAME_OBJC_CLASS_PREFIX", CODE, Check::File(files::same_objc_class_prefix), "files keep `objc_class_prefix`"),
    rule("FILE_SAME_OPTIMIZE_FOR", CODE, Check::File(files::same_optimize_for), "files keep `optimize_for`"),
    rule("FILE_SAME_PHP_CLASS_PREFIX", CODE, Check::File(files::same_php_class_prefix), "files keep `php_class_prefix`"),
    rule("FILE_SAME_PHP_METADATA_NAMESPACE", CODE, Check::File(files::same_php_metadata_namespace), "files keep `php_metadata_namespace`"),
    rule("FILE_SAME_PHP_NAMESPACE", CODE, Check::File(files::same_php_namespace), "files keep `php_namespace`"),
    rule("FILE_SAME_PY_GENERIC_SERVICES", CODE, Check::File(files::same_py_generic_services), "files keep `py_generic_services`"),
    rule("FILE_SAME_RUBY_PACKAGE", CODE, Check::File(files::same_ruby_package), "files keep `ruby_package`"),
    rule("FILE_SAME_SWIFT_PREFIX", CODE, Check::File(files::same_swift_prefix), "files keep `swift_prefix`"),
    rule("FILE_SAME_SYNTAX", CODE, Check::File(files::file_same_syntax), "files keep their syntax"),
    rule("MESSAGE_NO_REMOVE_STANDARD_DESCRIPTOR_ACCESSOR", CODE, Check::Message(messages::message_no_remove_standard_descriptor_accessor), "`no_standard_descriptor_accessor` is not set later"),
    rule("ONEOF_NO_DELETE", CODE, Check::Message(messages::oneof_no_delete), "oneofs stay"),
    rule("RPC_NO_DELETE", CODE, Check::Service(services::rpc_no_delete), "methods stay"),

    rule("ENUM_SAME_JSON_FORMAT", JSON, Check::Enum(enums::enum_same_json_format), "enums keep their JSON"),
    rule("ENUM_VALUE_SAME_NAME", JSON, Check::Enum(enums::enum_value_same_name), "values of enums keep their names"),
    rule("FIELD_SAME_JSON_NAME", JSON, Check::Field(fields::field_same_json_name), "fields keep their names in JSON"),
    rule("FIELD_SAME_NAME", JSON, Check::Field(fields::field_same_name), "fields keep their names"),
    rule("MESSAGE_SAME_JSON_FORMAT", JSON, Check::Message(messages::message_same_json_format), "messages keep their JSON"),

    rule("FIELD_SAME_DEFAULT", ALL, Check::Field(fields::field_same_default), "fields keep their defaults"),
    rule("FIELD_SAME_ONEOF", ALL, Check::Field(fields::field_same_oneof), "fields stay in their oneof, or out of any"),
    rule("FILE_SAME_PACKAGE", ALL, Check::File(files::file_same_package), "files keep their package"),
    rule("MESSAGE_SAME_REQUIRED_FIELDS", ALL, Check::Message(messages::message_same_required_fields), "no required field comes or goes"),
    rule("RESERVED_ENUM_NO_DELETE", ALL, Check::Enum(enums::reserved_enum_no_delete), "what enums reserve stays reserved"),
    rule("RESERVED_MESSAGE_NO_DELETE", ALL, Check::Message(messages::reserved_message_no_delete), "what messages reserve stays reserved"),
    rule("RPC_SAME_CLIENT_STREAMING", ALL, Check::Method(services::rpc_same_client_streaming), "methods keep whether they take a stream"),
    rule("RPC_SAME_IDEMPOTENCY_LEVEL", ALL, Check::Method(services::rpc_same_idempotency_level), "methods keep their `idempotency_level`"),
    rule("RPC_SAME_REQUEST_TYPE", ALL, Check::Method(services::rpc_same_request_type), "methods keep their request type"),
    rule("RPC_SAME_RESPONSE_TYPE", ALL, Check::Method(services::rpc_same_response_type), "methods keep their response type"),
    rule("RPC_SAME_SERVER_STREAMING", ALL, Check::Method(services::rpc_same_server_streaming), "methods keep whether they return a stream"),

    rule("ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED", WIRE_JSON, Check::Enum(enums::enum_value_no_delete_unless_name_reserved), "values of enums stay, or their name is reserved"),
    rule("FIELD_NO_DELETE_UNLESS_NAME_RESERVED", WIRE_JSON, Check::Message(messages::field_no_delete_unless_name_reserved), "fields stay, or their name is reserved"),
    rule("FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY", WIRE_JSON, Check::Field(fields::field_wire_json_compatible_cardinality), "the wire and JSON can carry how many values a field has"),
    rule("FIELD_WIRE_JSON_COMPATIBLE_TYPE", WIRE_JSON, Check::Field(types::field_wire_json_compatible_type), "the wire and JSON can carry the type of a field"),

    rule("ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED", BOTH_WIRES, Check::Enum(enums::enum_value_no_delete_unless_number_reserved), "values of enums stay, or their number is reserved"),
    rule("FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", BOTH_WIRES, Check::Message(messages::field_no_delete_unless_number_reserved), "fields stay, or their number is reserved"),

    rule("FIELD_WIRE_COMPATIBLE_CARDINALITY", WIRE, Check::Field(fields::field_wire_compatible_cardinality), "the wire can carry how many values a field has"),
    rule("FIELD_WIRE_COMPATIBLE_TYPE", WIRE, Check::Field(types::field_wire_compatible_type), "the wire can carry the type of a field"),

    rule("MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT", &[], Check::Message(messages::message_same_message_set_wire_format), "messages keep `message_set_wire_format`"),
];
