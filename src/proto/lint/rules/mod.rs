//! The rules, a function each, and the table that names them.

mod comments;
mod files;
mod methods;
mod names;
mod packages;

use crate::proto::finding::Category::{Basic, Comments, Minimal, Standard, UnaryRpc};
use crate::proto::finding::{Category, RuleInfo};
use crate::proto::lint::{Check, Rule};

const MINIMAL: &[Category] = &[Minimal, Basic, Standard];
const BASIC: &[Category] = &[Basic, Standard];
const STANDARD: &[Category] = &[Standard];
const COMMENTS: &[Category] = &[Comments];
const UNARY: &[Category] = &[UnaryRpc];

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
    rule("COMMENT_ENUM", COMMENTS, Check::Enum(comments::of_enum), "enums have a comment"),
    rule("COMMENT_ENUM_VALUE", COMMENTS, Check::EnumValue(comments::of_enum_value), "values of enums have a comment"),
    rule("COMMENT_FIELD", COMMENTS, Check::Field(comments::of_field), "fields have a comment"),
    rule("COMMENT_MESSAGE", COMMENTS, Check::Message(comments::of_message), "messages have a comment"),
    rule("COMMENT_ONEOF", COMMENTS, Check::Oneof(comments::of_oneof), "oneofs have a comment"),
    rule("COMMENT_RPC", COMMENTS, Check::Method(comments::of_method), "methods have a comment"),
    rule("COMMENT_SERVICE", COMMENTS, Check::Service(comments::of_service), "services have a comment"),

    rule("DIRECTORY_SAME_PACKAGE", MINIMAL, Check::Project(packages::directory_same_package), "the files of a folder are of one package"),
    rule("PACKAGE_DEFINED", MINIMAL, Check::File(packages::package_defined), "every file has a package"),
    rule("PACKAGE_DIRECTORY_MATCH", MINIMAL, Check::File(packages::package_directory_match), "the folder of a file is its package's name"),
    rule("PACKAGE_NO_IMPORT_CYCLE", MINIMAL, Check::Project(packages::package_no_import_cycle), "packages do not import each other in a circle"),
    rule("PACKAGE_SAME_DIRECTORY", MINIMAL, Check::Project(packages::package_same_directory), "the files of a package are in one folder"),

    rule("ENUM_FIRST_VALUE_ZERO", BASIC, Check::Enum(names::enum_first_value_zero), "the first value of an enum is 0"),
    rule("ENUM_NO_ALLOW_ALIAS", BASIC, Check::Enum(names::enum_no_allow_alias), "enums do not set `allow_alias`"),
    rule("ENUM_PASCAL_CASE", BASIC, Check::Enum(names::enum_pascal_case), "enums are in PascalCase"),
    rule("ENUM_VALUE_UPPER_SNAKE_CASE", BASIC, Check::EnumValue(names::enum_value_upper_snake_case), "values of enums are in UPPER_SNAKE_CASE"),
    rule("FIELD_LOWER_SNAKE_CASE", BASIC, Check::Field(names::field_lower_snake_case), "fields are in lower_snake_case"),
    rule("FIELD_NOT_REQUIRED", BASIC, Check::Field(names::field_not_required), "fields are not `required`"),
    rule("IMPORT_NO_PUBLIC", BASIC, Check::File(files::import_no_public), "imports are not public"),
    rule("IMPORT_USED", BASIC, Check::File(files::import_used), "what is imported is used"),
    rule("MESSAGE_PASCAL_CASE", BASIC, Check::Message(names::message_pascal_case), "messages are in PascalCase"),
    rule("ONEOF_LOWER_SNAKE_CASE", BASIC, Check::Oneof(names::oneof_lower_snake_case), "oneofs are in lower_snake_case"),
    rule("PACKAGE_LOWER_SNAKE_CASE", BASIC, Check::File(packages::package_lower_snake_case), "the parts of a package are in lower_snake_case"),
    rule("PACKAGE_SAME_CSHARP_NAMESPACE", BASIC, Check::Project(packages::same_csharp_namespace), "the files of a package have one `csharp_namespace`"),
    rule("PACKAGE_SAME_GO_PACKAGE", BASIC, Check::Project(packages::same_go_package), "the files of a package have one `go_package`"),
    rule("PACKAGE_SAME_JAVA_MULTIPLE_FILES", BASIC, Check::Project(packages::same_java_multiple_files), "the files of a package have one `java_multiple_files`"),
    rule("PACKAGE_SAME_JAVA_PACKAGE", BASIC, Check::Project(packages::same_java_package), "the files of a package have one `java_package`"),
    rule("PACKAGE_SAME_PHP_NAMESPACE", BASIC, Check::Project(packages::same_php_namespace), "the files of a package have one `php_namespace`"),
    rule("PACKAGE_SAME_RUBY_PACKAGE", BASIC, Check::Project(packages::same_ruby_package), "the files of a package have one `ruby_package`"),
    rule("PACKAGE_SAME_SWIFT_PREFIX", BASIC, Check::Project(packages::same_swift_prefix), "the files of a package have one `swift_prefix`"),
    rule("RPC_PASCAL_CASE", BASIC, Check::Method(names::rpc_pascal_case), "methods are in PascalCase"),
    rule("SERVICE_PASCAL_CASE", BASIC, Check::Service(names::service_pascal_case), "services are in PascalCase"),
    rule("SYNTAX_SPECIFIED", BASIC, Check::File(files::syntax_specified), "every file says its syntax"),

    rule("ENUM_VALUE_PREFIX", STANDARD, Check::EnumValue(names::enum_value_prefix), "values of enums begin with the enum's name"),
    rule("ENUM_ZERO_VALUE_SUFFIX", STANDARD, Check::EnumValue(names::enum_zero_value_suffix), "the value 0 of an enum ends in `_UNSPECIFIED`, or what is configured"),
    rule("FILE_LOWER_SNAKE_CASE", STANDARD, Check::File(files::file_lower_snake_case), "files are in lower_snake_case"),
    rule("PACKAGE_VERSION_SUFFIX", STANDARD, Check::File(packages::package_version_suffix), "packages end in a version"),
    rule("RPC_REQUEST_RESPONSE_UNIQUE", STANDARD, Check::Project(methods::rpc_request_response_unique), "every method has request and response types of its own"),
    rule("RPC_REQUEST_STANDARD_NAME", STANDARD, Check::Method(methods::rpc_request_standard_name), "request types are named for their method"),
    rule("RPC_RESPONSE_STANDARD_NAME", STANDARD, Check::Method(methods::rpc_response_standard_name), "response types are named for their method"),
    rule("SERVICE_SUFFIX", STANDARD, Check::Service(names::service_suffix), "services end in `Service`, or what is configured"),

    rule("RPC_NO_CLIENT_STREAMING", UNARY, Check::Method(methods::rpc_no_client_streaming), "methods take no stream"),
    rule("RPC_NO_SERVER_STREAMING", UNARY, Check::Method(methods::rpc_no_server_streaming), "methods return no stream"),

    rule("IMPORT_NO_WEAK", &[], Check::File(files::import_no_weak), "imports are not weak"),
    rule("STABLE_PACKAGE_NO_IMPORT_UNSTABLE", &[], Check::File(packages::stable_package_no_import_unstable), "stable packages do not import unstable ones"),
];
