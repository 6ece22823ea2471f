//! `msvc add`: planned, shown, made as a whole; what it makes is built in `generated.rs`.

use std::fs;

use crate::support::{Sandbox, terminal};

pub fn read(sandbox: &Sandbox, path: &str) -> String {
    fs::read_to_string(sandbox.path().join(path)).expect(path)
}

pub fn write(sandbox: &Sandbox, path: &str, text: &str) {
    fs::write(sandbox.path().join(path), text).expect(path);
}

/// A workspace of two starters.
pub fn workspace() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["user-service", "order-service"] {
        let made = sandbox.msvc(["new", name]);
        assert!(made.starts_with("exit: 0"), "{made}");
    }
    sandbox
}

#[test]
fn a_service_is_added_to_a_workspace_alone() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["add", "service", "user-service"]), @r"
    exit: 1
    --- stderr ---
    error: `[SANDBOX]` is not inside a workspace: no `msvc.toml` here or above
    hint: go to a workspace's folder or name it with `--project DIR`; `msvc new user-service` makes one
    ");
    sandbox.msvc(["new", "user-service"]);
    insta::assert_snapshot!(sandbox.msvc(["add", "service", "order-service"]), @r"
    exit: 0
    --- stderr ---
         Created services/order-service for order.v1.OrderService
           Ports gRPC 50052, admin 51052
    hint: `msvc run` builds and runs all services
    ");
}

#[test]
fn a_method_comes_into_the_proto_the_generated_code_and_the_handler() {
    let sandbox = workspace();
    let proto = read(&sandbox, "proto/user/v1/user.proto");
    insta::assert_snapshot!(
        sandbox.msvc(["add", "method", "UserService.FollowUser", "--server-streaming"]), @r"
    exit: 0
    --- stderr ---
         Changed crates/protocol/src/descriptors.binpb
         Changed crates/protocol/src/user/v1.rs
         Changed proto/user/v1/user.proto
         Changed services/user-service/src/api.rs
           Added user.v1.UserService/FollowUser to proto/user/v1/user.proto
    hint: fill in its messages in proto/user/v1/user.proto, run `msvc proto gen`, and write what it does where it answers UNIMPLEMENTED
    ");
    let edited = read(&sandbox, "proto/user/v1/user.proto");
    let line = "  rpc FollowUser(FollowUserRequest) returns (stream FollowUserResponse);\n";
    let messages = "\nmessage FollowUserRequest {}\n\nmessage FollowUserResponse {}\n";
    assert_eq!(edited.replacen(line, "", 1), proto + messages);
    let handler = read(&sandbox, "services/user-service/src/api.rs");
    assert!(handler.contains("async fn follow_user("), "{handler}");
    let check = sandbox.msvc(["proto", "gen", "--check"]);
    assert!(check.starts_with("exit: 0"), "{check}");
    let again = sandbox.msvc(["add", "method", "user.v1.UserService/FollowUser"]);
    insta::assert_snapshot!(again, @r"
    exit: 1
    --- stderr ---
    error: `user.v1.UserService` has a method `FollowUser` already
    hint: `msvc proto gen` adds stubs that are missing
    ");
}

#[test]
fn names_that_are_not_there_are_told_with_what_was_meant() {
    let sandbox = workspace();
    for (args, error) in [
        (
            &["add", "method", "UserServce.Ping"][..],
            "error: no proto of the workspace has a service `UserServce`\n\
             hint: did you mean `UserService` or `user.v1.UserService`?\n",
        ),
        (
            &["add", "method", "UserService.ping"],
            "error: `ping` is not a method's name in a proto\nhint: try `Ping`\n",
        ),
        (
            &["add", "method", "Ping"],
            "error: `Ping` does not name a method of a service\n\
             hint: write it as `UserService.BlockUser`\n",
        ),
        (
            &["add", "client", "user-servce", "--to", "order-service"],
            "error: the workspace has no service `user-servce`\nhint: did you mean `user-service`?\n",
        ),
        // As every command has it.
        (
            &["run", "user-servce"],
            "error: the workspace has no service `user-servce`\nhint: did you mean `user-service`?\n",
        ),
        (
            &["add", "database", "--to", "user-servce"],
            "error: the workspace has no service `user-servce`\nhint: did you mean `user-service`?\n",
        ),
        (
            &["add", "client", "user-service", "--to", "user-service"],
            "error: `user-service` would call itself\nhint: name another service with `--to`\n",
        ),
    ] {
        let output = sandbox.msvc(args);
        let refused = format!("exit: 2\n--- stderr ---\n{error}");
        assert_eq!(output, refused, "{args:?}");
    }
}

#[test]
fn a_client_is_shown_as_a_diff_before_it_is_added() {
    let sandbox = workspace();
    let before = read(&sandbox, "services/order-service/src/lib.rs");
    let add = ["add", "client", "user-service", "--dry-run"];
    insta::assert_snapshot!(sandbox.msvc(add), @r#"
    exit: 0
    --- stdout ---
    --- a/services/order-service/src/api.rs
    +++ b/services/order-service/src/api.rs
    @@ -1,5 +1,6 @@
     //! `OrderService` as gRPC sees it: requests are validated, the repository is asked.
     
    +use chassis::client::Channel;
     use chassis::status::not_found;
     use chassis::validate::Violations;
     use protocol::order::v1::order_service_server::OrderService;
    @@ -8,6 +9,7 @@
         GetOrderRequest, GetOrderResponse, ListOrdersRequest, ListOrdersResponse, UpdateOrderRequest,
         UpdateOrderResponse, WatchOrdersRequest, WatchOrdersResponse,
     };
    +use protocol::user::v1::user_service_client::UserServiceClient;
     use tokio_stream::StreamExt;
     use tokio_stream::wrappers::BroadcastStream;
     use tonic::codegen::BoxStream;
    @@ -30,12 +32,17 @@
     #[derive(Debug)]
     pub struct OrderApi<R> {
         repository: R,
    +    /// Calls `user-service`.
    +    pub user_service: UserServiceClient<Channel>,
     }
     
     impl<R: OrderRepository> OrderApi<R> {
         /// Serves what is in the repository.
    -    pub fn new(repository: R) -> Self {
    -        Self { repository }
    +    pub fn new(repository: R, user_service: UserServiceClient<Channel>) -> Self {
    +        Self {
    +            repository,
    +            user_service,
    +        }
         }
     }
     
    --- a/services/order-service/src/lib.rs
    +++ b/services/order-service/src/lib.rs
    @@ -2,13 +2,16 @@
     
     mod api;
     mod repository;
    +mod user_service_client;
     
     use chassis::Services;
    +use chassis::config::Config;
     use protocol::order::v1::order_service_server::OrderServiceServer;
     use serde::Deserialize;
     
     pub use crate::api::OrderApi;
     pub use crate::repository::{MemoryOrders, OrderRepository};
    +pub use crate::user_service_client::UserServiceSettings;
     
     /// What can be set in `[app]` of the configuration.
     #[derive(Clone, Debug, Default, Deserialize)]
    @@ -16,15 +19,22 @@
     pub struct Settings {
         /// Whether to start with a few orders to look at.
         pub sample_data: bool,
    +    /// Where `user-service` is.
    +    pub user_service: UserServiceSettings,
     }
     
     /// What this process serves.
    -pub fn services(settings: &Settings) -> Services {
    +///
    +/// # Errors
    +/// When what it needs cannot be set up.
    +pub async fn services(config: &Config<Settings>) -> Result<Services, chassis::Error> {
    +    let settings = &config.app;
    +    let user_service = user_service_client::connect(config).await?;
         let orders = if settings.sample_data {
             MemoryOrders::with_samples()
         } else {
             MemoryOrders::default()
         };
    -    let api = OrderApi::new(orders);
    -    Services::new(protocol::DESCRIPTOR_SET).add(OrderServiceServer::new(api))
    +    let api = OrderApi::new(orders, user_service);
    +    Ok(Services::new(protocol::DESCRIPTOR_SET).add(OrderServiceServer::new(api)))
     }
    --- a/services/order-service/src/main.rs
    +++ b/services/order-service/src/main.rs
    @@ -6,6 +6,6 @@
     async fn main() -> Result<(), chassis::Error> {
         let config =
             chassis::config::load::<Settings>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
    -    let services = order_service::services(&config.app);
    +    let services = order_service::services(&config).await?;
         chassis::serve(config, services).await
     }
    --- a/services/order-service/tests/api.rs
    +++ b/services/order-service/tests/api.rs
    @@ -1,5 +1,6 @@
     //! Every method of `OrderService`, called over a real connection through the whole server stack.
     
    +use chassis::config::Config;
     use chassis::testing::{self, TestServer};
     use order_service::{Settings, services};
     use prost_types::FieldMask;
    @@ -15,7 +16,9 @@
     
     /// A server with nothing in it; it stops when it is dropped.
     async fn start() -> (TestServer, ServiceClient) {
    -    let server = testing::serve(services(&Settings::default())).await;
    +    let config = Config::<Settings>::default();
    +    let services = services(&config).await.expect("it is set up");
    +    let server = testing::serve(services).await;
         let client = ServiceClient::new(server.channel());
         (server, client)
     }
     write services/order-service/src/api.rs
     write services/order-service/src/lib.rs
     write services/order-service/src/main.rs
    create services/order-service/src/user_service_client.rs
     write services/order-service/tests/api.rs
    "#);
    assert_eq!(read(&sandbox, "services/order-service/src/lib.rs"), before);
    let add = ["add", "client", "user-service", "--to", "order-service"];
    insta::assert_snapshot!(sandbox.msvc(add), @r"
    exit: 0
    --- stderr ---
         Changed services/order-service/src/api.rs
         Changed services/order-service/src/lib.rs
         Changed services/order-service/src/main.rs
         Changed services/order-service/tests/api.rs
           Added a client of user.v1.UserService to order-service
    hint: handlers have it as `self.user_service`; a call is made on a clone of it
    ");
    insta::assert_snapshot!(sandbox.msvc(add), @r"
    exit: 1
    --- stderr ---
    error: `order-service` has a client of `user-service` already: services/order-service/src/user_service_client.rs
    hint: remove services/order-service/src/user_service_client.rs to have it made anew
    ");
}

#[test]
fn what_is_edited_while_it_asks_stays_or_the_changes_are_refused() {
    const API: &str = "services/order-service/src/api.rs";
    const LIB: &str = "services/order-service/src/lib.rs";
    const CLIENT: &str = "services/order-service/src/user_service_client.rs";
    const LATER: &str = "\n// Written while it asked.\n";
    let sandbox = workspace();
    let (api, lib) = (read(&sandbox, API), read(&sandbox, LIB));
    let is_made = || sandbox.path().join(CLIENT).exists();
    let add = |decide: &dyn Fn() -> &'static str| {
        let args = ["add", "client", "user-service", "--to", "order-service"];
        let command = sandbox.command(args);
        terminal::answer(&command, "Make these changes?", decide)
    };
    let Some((code, shown)) = add(&|| "n") else {
        return;
    };
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("nothing was changed"), "{shown}");
    assert!(!is_made() && read(&sandbox, API) == api);

    // Above the change, so that it would be made elsewhere than it was shown.
    let above = format!("// Written while it asked.\n{api}");
    let moved = add(&|| {
        write(&sandbox, API, &above);
        "y"
    });
    let (code, shown) = moved.expect("as before");
    assert_eq!(code, Some(1), "{shown}");
    let refusal = "files of the workspace have changed since the question was asked";
    assert!(shown.contains(refusal), "{shown}");
    assert!(!is_made());
    assert_eq!(read(&sandbox, API), above);
    assert_eq!(read(&sandbox, LIB), lib);

    write(&sandbox, API, &api);
    let below = add(&|| {
        write(&sandbox, API, &(api.clone() + LATER));
        "y"
    });
    let (code, shown) = below.expect("as before");
    assert_eq!(code, Some(0), "{shown}");
    let edited = read(&sandbox, API);
    assert!(edited.ends_with(LATER), "{edited}");
    assert!(edited.contains("pub user_service: UserServiceClient<Channel>"));
    assert!(is_made());
}

#[test]
fn code_of_another_form_is_left_alone_and_told_what_to_add() {
    let sandbox = workspace();
    let path = "services/order-service/src/lib.rs";
    let text = read(&sandbox, path).replace("pub fn services(", "pub fn all_services(");
    write(&sandbox, path, &text);
    let add = ["add", "client", "user-service", "--to", "order-service"];
    insta::assert_snapshot!(sandbox.msvc(add), @r"
    exit: 1
    --- stderr ---
    error: `services/order-service/src/lib.rs` is not as `msvc` knows it: it has no `fn services`
    hint: nothing was changed; add this by hand, then run the command again, which does the rest:
        pub async fn services(config: &Config<Settings>) -> Result<Services, chassis::Error> {
            let settings = &config.app;
            …
            Ok(services)
        }
    ");
    assert_eq!(read(&sandbox, path), text);
    assert!(
        !sandbox
            .path()
            .join("services/order-service/src/user_service_client.rs")
            .exists()
    );
}

#[test]
fn a_database_takes_the_place_of_the_memory_and_is_needed_from_up() {
    let sandbox = workspace();
    let add = ["add", "database", "--to", "user-service"];
    insta::assert_snapshot!(sandbox.msvc(add), @r"
    exit: 0
    --- stderr ---
         Changed Cargo.lock
         Changed Cargo.toml
         Changed msvc.toml
         Changed services/user-service/Cargo.toml
         Changed services/user-service/config/default.toml
         Changed services/user-service/src/lib.rs
         Changed services/user-service/src/main.rs
         Changed services/user-service/tests/api.rs
           Added a database to user-service
    hint: users are kept in services/user-service/src/sql.rs, by what services/user-service/migrations makes
    ");
    insta::assert_snapshot!(sandbox.msvc(add), @r"
    exit: 1
    --- stderr ---
    error: `user-service` has a database already
    hint: its tables are made by services/user-service/migrations: add a file there, and its name in `MIGRATIONS`
    ");
    insta::assert_snapshot!(read(&sandbox, "services/user-service/src/lib.rs"), @r#"
    //! `user-service`: keeps users.

    mod api;
    mod repository;
    mod sql;

    use chassis::Services;
    use chassis::config::Config;
    use protocol::user::v1::user_service_server::UserServiceServer;
    use serde::Deserialize;
    use storage::{Database, Migration};

    pub use crate::api::UserApi;
    pub use crate::repository::{MemoryUsers, UserRepository};
    pub use crate::sql::SqlUsers;

    /// What makes the tables, in this order; a script that was applied somewhere stays as it is.
    const MIGRATIONS: &[Migration] = storage::migrations!["0001_users"];

    /// What can be set in `[app]` of the configuration.
    #[derive(Clone, Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    pub struct Settings {
        /// Whether to start with a few users to look at.
        pub sample_data: bool,
        /// Where what it keeps is kept.
        pub database: storage::Settings,
    }

    /// What this process serves.
    ///
    /// # Errors
    /// When what it needs cannot be set up.
    pub async fn services(config: &Config<Settings>) -> Result<Services, chassis::Error> {
        let settings = &config.app;
        let database = Database::open(&config.app.database, MIGRATIONS).await?;
        let users = if settings.sample_data {
            SqlUsers::with_samples(database.clone()).await?
        } else {
            SqlUsers::new(database.clone())
        };
        let api = UserApi::new(users);
        Ok(Services::new(protocol::DESCRIPTOR_SET)
            .depends_on("database", database.probe())
            .add(UserServiceServer::new(api)))
    }
    "#);
    let manifest = read(&sandbox, "msvc.toml");
    let (_, entry) = manifest
        .split_once("[services.user-service]\n")
        .expect("there");
    assert!(entry.contains("needs = [\"postgres\"]\n"), "{entry}");
    let lacks = |path: &str| !sandbox.path().join(path).exists();
    assert!(lacks("services/order-service/migrations") && lacks("crates/gateway"));
}

#[test]
fn a_gateway_stands_before_all_services_of_a_workspace() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["new", "api-gateway", "--kind", "gateway"]), @r"
    exit: 1
    --- stderr ---
    error: a gateway has nothing to stand in front of here
    hint: make a workspace first: `msvc new user-service`, then `msvc add gateway` in it
    ");
    let sandbox = workspace();
    insta::assert_snapshot!(sandbox.msvc(["new", "--kind", "gateway"]), @r"
    exit: 0
    --- stderr ---
         Changed Cargo.lock
         Changed Cargo.toml
         Changed msvc.toml
           Added services/api-gateway: HTTP on port 8080
    hint: `[[app.gateway.services]]` in services/api-gateway/config/default.toml says what is called through it; `msvc run` starts it with the others
    ");
    let configuration = read(&sandbox, "services/api-gateway/config/default.toml");
    let (_, services) = configuration
        .split_once("Service/Method`.\n")
        .expect("told");
    insta::assert_snapshot!(services, @r#"
    [[app.gateway.services]]
    target = "order-service"
    names = ["order.v1.OrderService"]

    [[app.gateway.services]]
    target = "user-service"
    names = ["user.v1.UserService"]
    "#);
    insta::assert_snapshot!(sandbox.msvc(["add", "gateway"]), @r"
    exit: 1
    --- stderr ---
    error: the workspace has a service `api-gateway` already
    hint: choose another name
    ");
    insta::assert_snapshot!(sandbox.msvc(["add", "gateway", "public-api", "--port", "8080"]), @r"
    exit: 1
    --- stderr ---
    error: port 8080 is taken by `api-gateway`
    hint: leave `--port` out to get the first free one
    ");
    insta::assert_snapshot!(sandbox.msvc(["add", "gateway", "gateway"]), @r"
    exit: 2
    --- stderr ---
    error: `gateway` cannot name a service: a crate of `msvc add` is called so
    hint: try `gateway-service`
    ");
}

#[test]
fn a_plain_workspace_has_no_parts() {
    let sandbox = workspace();
    let crates = fs::read_dir(sandbox.path().join("crates")).expect("there");
    let mut names: Vec<_> = crates.map(|it| it.expect("readable").file_name()).collect();
    names.sort();
    assert_eq!(names, ["chassis", "protocol"]);
}
