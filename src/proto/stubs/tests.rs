use super::*;
use crate::proto::model::{Method, RustType};

fn method(name: &str, streaming: (bool, bool)) -> Method {
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

fn service(methods: Vec<Method>) -> Service {
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
        stubs.leftovers,
        [Leftover {
            service: "user.v1.UserService".to_owned(),
            function: "get".to_owned(),
            line: 7,
        }]
    );
    assert_eq!(stubs.insertions, []);
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
