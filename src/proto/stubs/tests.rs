use super::*;
use crate::proto::model::{Method, RustType};

pub fn method(name: &str, streaming: (bool, bool)) -> Method {
    Method {
        proto_name: name.to_owned(),
        rust_name: crate::scaffold::names::snake(name),
        input: RustType(format!("protocol::user::v1::{name}Request")),
        output: RustType(format!("protocol::user::v1::{name}Response")),
        client_streaming: streaming.0,
        server_streaming: streaming.1,
        comments: Vec::new(),
    }
}

pub fn service(methods: Vec<Method>) -> Service {
    Service {
        full_name: "user.v1.UserService".to_owned(),
        proto_name: "UserService".to_owned(),
        rust_name: "UserService".to_owned(),
        module: vec!["user".to_owned(), "v1".to_owned()],
        methods,
        comments: Vec::new(),
    }
}

const HEAD: &str = "use protocol::user::v1::user_service_server::UserService;\n\
    use protocol::user::v1::{GetRequest, GetResponse};\n\
    use tonic::{Request, Response, Status};\n\n";

const IMPLEMENTED: &str = "#[tonic::async_trait]
impl UserService for UserApi {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        // } a brace in a comment, \"}\" and one in a text
        todo()
    }
}

fn after() {}
";

#[test]
fn a_missing_method_is_inserted_at_the_end_of_its_block_and_nothing_else_changes() {
    let services = [service(vec![
        method("Get", (false, false)),
        method("Ping", (false, false)),
    ])];
    let source = format!("{HEAD}{IMPLEMENTED}");
    let stubs = examine(&source, &services).expect("valid Rust");
    assert_eq!(stubs.added, ["user.v1.UserService/Ping"]);
    let expected = "
    async fn ping(
        &self,
        request: Request<protocol::user::v1::PingRequest>,
    ) -> Result<Response<protocol::user::v1::PingResponse>, Status> {
        let _request = request.into_inner();
        Err(Status::unimplemented(\"Ping is not implemented yet\"))
    }
";
    let changed = insert(&source, &stubs.insertions);
    let (before, after) = IMPLEMENTED.rsplit_once("}\n\nfn after").expect("as above");
    assert_eq!(
        changed,
        format!("{HEAD}{before}{expected}}}\n\nfn after{after}")
    );
    let again = examine(&changed, &services).expect("still valid Rust");
    assert_eq!(again.insertions, [], "a second run has nothing to do");
}

#[test]
fn all_four_kinds_of_method_are_typed() {
    let services = [service(vec![
        method("Unary", (false, false)),
        method("Down", (false, true)),
        method("Up", (true, false)),
        method("Both", (true, true)),
    ])];
    let source = "use protocol::user::v1::*;\nuse protocol::user::v1::user_service_server::UserService;\nuse tonic::{Request, Response, Status, Streaming};\n\
        use tonic::codegen::BoxStream;\nimpl UserService for UserApi {}\n";
    let stubs = examine(source, &services).expect("valid Rust");
    insta::assert_snapshot!(insert(source, &stubs.insertions), @r#"
    use protocol::user::v1::*;
    use protocol::user::v1::user_service_server::UserService;
    use tonic::{Request, Response, Status, Streaming};
    use tonic::codegen::BoxStream;
    impl UserService for UserApi {
        async fn unary(
            &self,
            request: Request<UnaryRequest>,
        ) -> Result<Response<UnaryResponse>, Status> {
            let _request = request.into_inner();
            Err(Status::unimplemented("Unary is not implemented yet"))
        }

        type DownStream = BoxStream<DownResponse>;

        async fn down(
            &self,
            request: Request<DownRequest>,
        ) -> Result<Response<Self::DownStream>, Status> {
            let _request = request.into_inner();
            Err(Status::unimplemented("Down is not implemented yet"))
        }

        async fn up(
            &self,
            request: Request<Streaming<UpRequest>>,
        ) -> Result<Response<UpResponse>, Status> {
            let _requests = request.into_inner();
            Err(Status::unimplemented("Up is not implemented yet"))
        }

        type BothStream = BoxStream<BothResponse>;

        async fn both(
            &self,
            request: Request<Streaming<BothRequest>>,
        ) -> Result<Response<Self::BothStream>, Status> {
            let _requests = request.into_inner();
            Err(Status::unimplemented("Both is not implemented yet"))
        }
    }
    "#);
}

#[test]
fn a_method_that_the_proto_lost_is_reported_with_its_line() {
    let services = [service(Vec::new())];
    let source = format!("{HEAD}{IMPLEMENTED}");
    let stubs = examine(&source, &services).expect("valid Rust");
    assert_eq!(
        told(&stubs),
        [
            "7:14 +3: `get` implements no method of `user.v1.UserService`, so this does not compile | \
          remove it, or move it to an `impl` block without a trait"
        ]
    );
    assert_eq!(stubs.insertions, []);
}

/// What does not fit, a line each.
fn told(stubs: &FileStubs) -> Vec<String> {
    let mismatches = stubs.mismatches.iter();
    let lines = mismatches.map(|it| {
        let place = it.place;
        format!(
            "{}:{} +{}: {} | {}",
            place.line, place.column, place.length, it.message, it.help
        )
    });
    lines.collect()
}

const BLOCK: &str = "impl UserService for UserApi {
    type GetStream = BoxStream<GetResponse>;
    type LostStream = BoxStream<GetResponse>;

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
    }
}
";

/// What a method was changed to, and what is then told of the block.
fn changed_to(change: impl FnOnce(&mut Method)) -> Vec<String> {
    let mut changed = method("Get", (false, false));
    change(&mut changed);
    let source = format!("{HEAD}{BLOCK}");
    let stubs = examine(&source, &[service(vec![changed])]).expect("valid Rust");
    assert_eq!(stubs.insertions, []);
    told(&stubs)
}

#[test]
fn a_method_that_the_proto_changed_is_reported_with_what_to_write() {
    let lost = "6:10 +9: `user.v1.UserService` has no method with a stream `GetStream`, so this does not \
        compile | remove it";
    let other = "7:10 +10: `user.v1.UserService` has no method with a stream `LostStream`, so this does \
        not compile | remove it";
    assert_eq!(changed_to(|_| {}), [lost, other]);
    let found = changed_to(|it| it.input.0 = "protocol::user::v2::Fetch".to_owned());
    assert_eq!(
        found[2..],
        [
            "9:42 +10: `user.v1.UserService/Get` takes `protocol::user::v2::Fetch` and not `GetRequest`, so \
          this does not compile | write `protocol::user::v2::Fetch` here"
        ]
    );
    let found = changed_to(|it| it.output.0 = "()".to_owned());
    assert_eq!(
        found[2..],
        [
            "9:74 +11: `user.v1.UserService/Get` returns `()` and not `GetResponse`, so this does not \
          compile | write `()` here"
        ]
    );
    let found = changed_to(|it| it.client_streaming = true);
    assert_eq!(
        found[2..],
        [
            "9:42 +10: `user.v1.UserService/Get` takes a stream, so this does not compile | write \
          `tonic::Streaming<GetRequest>` here"
        ]
    );
    let found = changed_to(|it| {
        it.server_streaming = true;
        it.output.0 = "protocol::user::v1::Other".to_owned();
    });
    assert_eq!(
        found,
        [
            "6:32 +11: `user.v1.UserService/Get` streams `protocol::user::v1::Other` and not \
             `GetResponse`, so this does not compile | write `protocol::user::v1::Other` here",
            other,
            "9:74 +11: `user.v1.UserService/Get` returns a stream, so this does not compile | declare \
             `type GetStream = tonic::codegen::BoxStream<protocol::user::v1::Other>;` in the block and \
             return `Self::GetStream`"
        ]
    );
}

/// What a name stands for that is defined elsewhere, only the compiler knows.
#[test]
fn what_is_not_certain_is_not_reported() {
    let source = format!(
        "use crate::types::Answer;\n{HEAD}type Alias = GetResponse;\nimpl UserService for UserApi {{\n    \
         async fn get(&self, request: Request<crate::Asked>) -> Result<Response<Answer>, Status> {{}}\n    \
         async fn put(&self, request: Asked) -> Outcome<Answer> {{}}\n    \
         fn make(&self, request: Request<impl Into<GetRequest>>) -> impl Future {{}}\n}}\n"
    );
    let mut methods = ["Get", "Put", "Make"].map(|name| method(name, (false, false)));
    methods[0].input.0 = "protocol::user::v2::Fetch".to_owned();
    let stubs = examine(&source, &[service(methods.to_vec())]).expect("valid Rust");
    assert_eq!(told(&stubs), [""; 0]);
}

#[test]
fn a_service_that_the_protos_lost_is_found_by_its_trait() {
    let source = format!("{HEAD}{IMPLEMENTED}impl Clone for UserApi {{}}\n");
    let stubs = examine(&source, &[]).expect("valid Rust");
    let [other] = stubs.others.as_slice() else {
        panic!("{:?}", stubs.others);
    };
    assert_eq!(
        other.path,
        "protocol::user::v1::user_service_server::UserService"
    );
    assert_eq!(
        (other.place.line, other.place.column, other.place.length),
        (6, 6, 11)
    );
}

#[test]
fn two_services_of_one_name_are_told_apart_by_their_path() {
    let mut other = service(vec![method("Pong", (false, false))]);
    other.full_name = "other.v1.UserService".to_owned();
    other.module[0] = "other".to_owned();
    let services = [service(vec![method("Ping", (false, false))]), other];
    let source = "impl protocol::other::v1::user_service_server::UserService for Api {\n}\n";
    let stubs = examine(source, &services).expect("valid Rust");
    assert_eq!(stubs.added, ["other.v1.UserService/Pong"]);
    // Where nothing tells them apart, neither is touched.
    let stubs = examine("impl UserService for Api {\n}\n", &services).expect("valid Rust");
    let unclear = ["user.v1.UserService", "other.v1.UserService"].map(|service| Unclear {
        service: service.to_owned(),
        line: 1,
    });
    let expected = FileStubs {
        unclear: unclear.into(),
        ..FileStubs::default()
    };
    assert_eq!(stubs, expected);
}

#[test]
fn line_ends_byte_order_marks_and_nesting_are_kept() {
    let services = [service(vec![method("Ping", (false, false))])];
    let source = "\u{feff}#!/usr/bin/env rust\r\nmod inner {\r\n    use protocol::user::v1::user_service_server::*;\r\n    impl UserService for Ähnlich {\r\n    }\r\n}\r\n";
    let stubs = examine(source, &services).expect("valid Rust");
    let changed = insert(source, &stubs.insertions);
    let inserted = &stubs.insertions[0].text;
    assert_eq!(changed.replacen(inserted.as_str(), "", 1), source);
    assert!(!inserted.replace("\r\n", "").contains('\n'));
    assert!(inserted.starts_with("        async fn ping("), "{inserted}");
    assert!(changed.contains("        }\r\n    }\r\n}\r\n"), "{changed}");
}

#[test]
fn only_a_path_that_leads_to_the_services_trait_gets_stubs() {
    let services = [service(vec![method("Ping", (false, false))])];
    const SERVER: &str = "protocol::user::v1::user_service_server";
    for (certain, source) in [
        (
            true,
            format!("use {SERVER}::UserService;\nimpl UserService for A {{}}"),
        ),
        (
            true,
            format!("use {SERVER}::UserService as Grpc;\nimpl Grpc for A {{}}"),
        ),
        (
            true,
            format!("use {SERVER} as server;\nimpl server::UserService for A {{}}"),
        ),
        (
            true,
            format!("use {SERVER}::*;\nimpl UserService for A {{}}"),
        ),
        (
            true,
            "use protocol::user::v1::*;\nimpl user_service_server::UserService for A {}".to_owned(),
        ),
        (true, format!("impl ::{SERVER}::UserService for A {{}}")),
        (
            true,
            format!(
                "use {SERVER}::UserService;\nmod tests {{ use super::*;\nimpl UserService for A {{}} }}"
            ),
        ),
        (
            false,
            "pub trait UserService { fn get(&self); }\nimpl UserService for Postgres {}".to_owned(),
        ),
        (
            false,
            "pub mod domain { pub trait UserService {} }\nimpl domain::UserService for Postgres {}"
                .to_owned(),
        ),
        (
            false,
            format!(
                "use {SERVER}::UserService as Grpc;\npub trait UserService {{}}\nimpl UserService for Postgres {{}}"
            ),
        ),
        (
            false,
            "use domain_crate::UserService;\nimpl UserService for Postgres {}".to_owned(),
        ),
        (
            false,
            "use protocol::other::v1::user_service_server::UserService;\nimpl UserService for A {}"
                .to_owned(),
        ),
    ] {
        let stubs = examine(&source, &services).expect("valid Rust");
        assert_eq!(!stubs.insertions.is_empty(), certain, "{source}");
        assert_eq!(!stubs.implements.is_empty(), certain, "{source}");
        assert_eq!(stubs.unclear, [], "{source}");
    }
}

#[test]
fn a_trait_that_comes_by_another_file_is_told_and_left_alone() {
    let services = [service(vec![method("Ping", (false, false))])];
    for source in [
        "use crate::prelude::UserService;\nimpl UserService for Api {}\n",
        "use crate::prelude::*;\nimpl UserService for Api {}\n",
        "use super::UserService as Grpc;\nimpl Grpc for Api {}\n",
    ] {
        let stubs = examine(source, &services).expect("valid Rust");
        let expected = FileStubs {
            unclear: vec![Unclear {
                service: "user.v1.UserService".to_owned(),
                line: 2,
            }],
            ..FileStubs::default()
        };
        assert_eq!(stubs, expected, "{source}");
    }
}
