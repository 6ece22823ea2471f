//! `msvc add queue` and `msvc add saga`; what they make is built in `generated.rs`.

use crate::add::{read, workspace};
use crate::support::Sandbox;

fn refused(sandbox: &Sandbox, args: &[&str]) -> String {
    let output = sandbox.msvc(args);
    let (_, told) = output.split_once("--- stderr ---\n").expect("refused");
    told.to_owned()
}

#[test]
fn a_queue_brings_its_message_its_code_and_its_broker() {
    let sandbox = workspace();
    let proto = read(&sandbox, "proto/order/v1/order.proto");
    let add = ["add", "queue", "order-created", "--to", "order-service"];
    insta::assert_snapshot!(sandbox.msvc(add), @r"
    exit: 0
    --- stderr ---
         Changed Cargo.lock
         Changed Cargo.toml
         Changed crates/protocol/src/descriptors.binpb
         Changed crates/protocol/src/order/v1.rs
         Changed msvc.toml
         Changed proto/order/v1/order.proto
         Changed services/order-service/Cargo.toml
         Changed services/order-service/config/default.toml
         Changed services/order-service/src/api.rs
         Changed services/order-service/src/lib.rs
         Changed services/order-service/src/main.rs
         Changed services/order-service/tests/api.rs
           Added the queue order-created to order-service
    hint: handlers publish by `crate::order_created_queue::publish(&self.broker, …)`, and services/order-service/src/order_created_queue.rs says what is done with what arrives; what it carries is in proto/order/v1/order.proto: run `msvc proto gen` when that has changed
    ");
    let edited = read(&sandbox, "proto/order/v1/order.proto");
    let added = edited
        .strip_prefix(proto.as_str())
        .expect("every byte stays");
    insta::assert_snapshot!(added.trim_start(), @r"
    // What the queue `order-created` carries: whatever those who get it have to know.
    message OrderCreated {
      // What it is about.
      string id = 1;
    }
    ");
    insta::assert_snapshot!(read(&sandbox, "services/order-service/src/lib.rs"), @r#"
    //! `order-service`: keeps orders.

    mod api;
    pub mod order_created_queue;
    mod repository;

    use chassis::Services;
    use chassis::config::Config;
    use messaging::Broker;
    use protocol::order::v1::order_service_server::OrderServiceServer;
    use serde::Deserialize;

    pub use crate::api::OrderApi;
    pub use crate::repository::{MemoryOrders, OrderRepository};

    /// What can be set in `[app]` of the configuration.
    #[derive(Clone, Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    pub struct Settings {
        /// Whether to start with a few orders to look at.
        pub sample_data: bool,
        /// Where messages are published and come from.
        pub messaging: messaging::Settings,
    }

    /// What this process serves.
    ///
    /// # Errors
    /// When what it needs cannot be set up.
    pub async fn services(config: &Config<Settings>) -> Result<Services, chassis::Error> {
        let settings = &config.app;
        let broker = Broker::connect(&config.app.messaging).await?;
        let orders = if settings.sample_data {
            MemoryOrders::with_samples()
        } else {
            MemoryOrders::default()
        };
        let api = OrderApi::new(orders, broker.clone());
        Ok(Services::new(protocol::DESCRIPTOR_SET)
            .depends_on("broker", broker.probe())
            .background(
                "order-created",
                broker.worker(
                    order_created_queue::subscription(),
                    order_created_queue::handle,
                ),
            )
            .add(OrderServiceServer::new(api)))
    }
    "#);
    let api = read(&sandbox, "services/order-service/src/api.rs");
    assert!(api.contains("pub broker: Broker,"), "{api}");
    let configuration = read(&sandbox, "services/order-service/config/default.toml");
    let (_, section) = configuration
        .split_once("[app.messaging]\n")
        .expect("there");
    insta::assert_snapshot!(section, @r#"
    # The same in all services that use its queues. `msvc run` names RabbitMQ's instead while `msvc up`
    # runs it: "amqp://localhost:5672".
    url = "sqlite:../../.msvc/data/messaging.db"
    "#);
    let manifest = read(&sandbox, "msvc.toml");
    let (_, entry) = manifest
        .split_once("[services.order-service]\n")
        .expect("there");
    assert!(entry.contains("needs = [\"rabbitmq\"]\n"), "{entry}");
    let messaging = read(&sandbox, "crates/messaging/Cargo.toml");
    assert!(
        messaging.contains("default = [\"database\", \"rabbitmq\"]"),
        "{messaging}"
    );
    for check in [&["gen", "--check"][..], &["lint"], &["format", "--check"]] {
        let checked = sandbox.msvc([&["proto"], check].concat());
        assert!(checked.starts_with("exit: 0"), "{checked}");
    }
    insta::assert_snapshot!(sandbox.msvc(add), @r"
    exit: 1
    --- stderr ---
    error: `order-service` has a queue `order-created` already: services/order-service/src/order_created_queue.rs
    hint: remove services/order-service/src/order_created_queue.rs to have it made anew
    ");
}

#[test]
fn another_service_gets_the_messages_of_a_queue_that_is_there() {
    let sandbox = workspace();
    sandbox.msvc([
        "add",
        "queue",
        "order-created",
        "--to",
        "order-service",
        "--broker",
        "nats",
    ]);
    let to = ["add", "queue", "order-created", "--to", "user-service"];
    let other = [&to[..], &["--broker", "kafka"]].concat();
    assert_eq!(
        refused(&sandbox, &other),
        "error: the queues of the workspace are carried by nats\n\
         hint: leave `--broker` out, or take \"nats\" out of `needs` in `msvc.toml` first\n"
    );
    insta::assert_snapshot!(sandbox.msvc(to), @r"
    exit: 0
    --- stderr ---
         Changed msvc.toml
         Changed services/user-service/Cargo.toml
         Changed services/user-service/config/default.toml
         Changed services/user-service/src/api.rs
         Changed services/user-service/src/lib.rs
         Changed services/user-service/src/main.rs
         Changed services/user-service/tests/api.rs
           Added the queue order-created to user-service
    hint: handlers publish by `crate::order_created_queue::publish(&self.broker, …)`, and services/user-service/src/order_created_queue.rs says what is done with what arrives
    ");
    let code = read(&sandbox, "services/user-service/src/order_created_queue.rs");
    assert!(
        code.contains("use protocol::order::v1::OrderCreated;\n"),
        "{code}"
    );
    assert!(
        code.contains("const GROUP: &str = \"user-service\";\n"),
        "{code}"
    );
    let manifest = read(&sandbox, "msvc.toml");
    assert_eq!(
        manifest.matches("needs = [\"nats\"]\n").count(),
        2,
        "{manifest}"
    );
}

#[test]
fn a_queue_in_memory_asks_for_no_broker() {
    let sandbox = workspace();
    let manifest = read(&sandbox, "msvc.toml");
    let add = [
        "add",
        "queue",
        "news",
        "--to",
        "user-service",
        "--broker",
        "memory",
        "--message",
        "User",
    ];
    insta::assert_snapshot!(sandbox.msvc(add), @r"
    exit: 0
    --- stderr ---
         Changed Cargo.lock
         Changed Cargo.toml
         Changed services/user-service/Cargo.toml
         Changed services/user-service/config/default.toml
         Changed services/user-service/src/api.rs
         Changed services/user-service/src/lib.rs
         Changed services/user-service/src/main.rs
         Changed services/user-service/tests/api.rs
           Added the queue news to user-service
    hint: handlers publish by `crate::news_queue::publish(&self.broker, …)`, and services/user-service/src/news_queue.rs says what is done with what arrives
    ");
    assert_eq!(read(&sandbox, "msvc.toml"), manifest);
    let messaging = read(&sandbox, "crates/messaging/Cargo.toml");
    assert!(
        messaging.contains("default = [\"database\"]"),
        "{messaging}"
    );
    let configuration = read(&sandbox, "services/user-service/config/default.toml");
    assert!(
        configuration.ends_with("url = \"memory:\"\n"),
        "{configuration}"
    );
}

#[test]
fn names_of_queues_and_sagas_that_will_not_do_are_told_with_what_would() {
    let sandbox = workspace();
    for (args, error) in [
        (
            &["add", "queue", "OrderCreated", "--to", "order-service"][..],
            "error: `OrderCreated` cannot name a queue: 1 to 64 lowercase letters, digits and hyphens can\n\
             hint: try `order-created`\n",
        ),
        (
            &["add", "saga", "place_order", "--to", "order-service"],
            "error: `place_order` cannot name a saga: 1 to 64 lowercase letters, digits and hyphens can\n\
             hint: try `place-order`\n",
        ),
        (
            &["add", "queue", "order-created", "--to", "order-servce"],
            "error: the workspace has no service `order-servce`\nhint: did you mean `order-service`?\n",
        ),
        (
            &["add", "queue", "order-created"],
            "error: it is not said which service it is for\n\
             hint: name it with `--to`: it has order-service, user-service\n",
        ),
        (
            &[
                "add",
                "queue",
                "news",
                "--to",
                "user-service",
                "--message",
                "Usr",
            ],
            "error: no proto of the workspace has a message `Usr`\nhint: did you mean `User` or `user.v1.User`?\n",
        ),
        (
            &["add", "saga", "place-order", "--to", "order-service"],
            "error: `order-service` has no database, in which its sagas would outlive the process\n\
             hint: add one first: `msvc add database --to order-service`\n",
        ),
    ] {
        assert_eq!(refused(&sandbox, args), error, "{args:?}");
    }
}

#[test]
fn a_saga_is_shown_as_a_diff_before_it_is_added() {
    let sandbox = workspace();
    sandbox.msvc(["add", "database", "--to", "order-service"]);
    let before = read(&sandbox, "services/order-service/src/lib.rs");
    let add = ["add", "saga", "place-order", "--to", "order-service"];
    let shown = sandbox.msvc([&add[..], &["--dry-run"]].concat());
    for line in [
        "+    let place_order_saga = sagas.add(place_order_saga::saga());",
        "create services/order-service/src/place_order_saga.rs",
        "create crates/saga/Cargo.toml",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert_eq!(read(&sandbox, "services/order-service/src/lib.rs"), before);
    insta::assert_snapshot!(sandbox.msvc(add), @r"
    exit: 0
    --- stderr ---
         Changed Cargo.toml
         Changed services/order-service/Cargo.toml
         Changed services/order-service/src/api.rs
         Changed services/order-service/src/lib.rs
           Added the saga place-order to order-service
    hint: handlers start it by `self.place_order_saga.start(id, &input)`; its steps in services/order-service/src/place_order_saga.rs are an example
    ");
    insta::assert_snapshot!(read(&sandbox, "services/order-service/src/lib.rs"), @r#"
    //! `order-service`: keeps orders.

    mod api;
    mod place_order_saga;
    mod repository;
    mod sql;

    use chassis::Services;
    use chassis::config::Config;
    use protocol::order::v1::order_service_server::OrderServiceServer;
    use saga::{Sagas, Store};
    use serde::Deserialize;
    use storage::{Database, Migration};

    pub use crate::api::OrderApi;
    pub use crate::place_order_saga::PlaceOrderInput;
    pub use crate::repository::{MemoryOrders, OrderRepository};
    pub use crate::sql::SqlOrders;

    /// What makes the tables, in this order; a script that was applied somewhere stays as it is.
    const MIGRATIONS: &[Migration] = storage::migrations!["0001_orders"];

    /// What can be set in `[app]` of the configuration.
    #[derive(Clone, Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    pub struct Settings {
        /// Whether to start with a few orders to look at.
        pub sample_data: bool,
        /// Where what it keeps is kept.
        pub database: storage::Settings,
        /// How its sagas are worked on.
        pub sagas: saga::Settings,
    }

    /// What this process serves.
    ///
    /// # Errors
    /// When what it needs cannot be set up.
    pub async fn services(config: &Config<Settings>) -> Result<Services, chassis::Error> {
        let settings = &config.app;
        let database = Database::open(&config.app.database, MIGRATIONS).await?;
        let orders = if settings.sample_data {
            SqlOrders::with_samples(database.clone()).await?
        } else {
            SqlOrders::new(database.clone())
        };
        let sagas = Sagas::new(Store::database(&database).await?, config.app.sagas.clone());
        let place_order_saga = sagas.add(place_order_saga::saga());
        let api = OrderApi::new(orders, place_order_saga);
        Ok(Services::new(protocol::DESCRIPTOR_SET)
            .background("sagas", sagas.worker())
            .page("/sagas", sagas.page())
            .depends_on("database", database.probe())
            .add(OrderServiceServer::new(api)))
    }
    "#);
    insta::assert_snapshot!(sandbox.msvc(add), @r"
    exit: 1
    --- stderr ---
    error: `order-service` has a saga `place-order` already: services/order-service/src/place_order_saga.rs
    hint: remove services/order-service/src/place_order_saga.rs to have it made anew
    ");
    let second = sandbox.msvc([
        "add",
        "saga",
        "return-order",
        "--to",
        "order-service",
        "--format",
        "json",
    ]);
    assert!(
        second.contains("\"added\": [\n    \"the saga return-order to order-service\"\n  ]"),
        "{second}"
    );
    let lib = read(&sandbox, "services/order-service/src/lib.rs");
    assert_eq!(lib.matches("Sagas::new(").count(), 1, "{lib}");
    assert_eq!(lib.matches("sagas.worker()").count(), 1, "{lib}");
    assert_eq!(lib.matches("sagas.add(").count(), 2, "{lib}");
}

#[test]
fn a_service_of_another_form_is_left_without_a_queue() {
    let sandbox = workspace();
    let path = "services/order-service/src/lib.rs";
    let text = read(&sandbox, path).replace("Services::new(protocol::DESCRIPTOR_SET)", "begin()");
    crate::add::write(&sandbox, path, &text);
    let proto = read(&sandbox, "proto/order/v1/order.proto");
    let add = ["add", "queue", "order-created", "--to", "order-service"];
    insta::assert_snapshot!(sandbox.msvc(add), @r#"
    exit: 1
    --- stderr ---
    error: `services/order-service/src/lib.rs` is not as `msvc` knows it: `Services::new(protocol::DESCRIPTOR_SET)` is not in it
    hint: nothing was changed; add this by hand, then run the command again, which does the rest:
        .background("order-created", broker.worker(order_created_queue::subscription(), order_created_queue::handle))
    "#);
    assert_eq!(read(&sandbox, path), text);
    assert_eq!(read(&sandbox, "proto/order/v1/order.proto"), proto);
    assert!(!sandbox.path().join("crates/messaging").exists());
}
