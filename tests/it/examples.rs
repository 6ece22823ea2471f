//! `msvc new NAME --example shop`: what it makes and when it refuses; what is made is built and run in
//! `shop.rs`.

use std::fs;

use crate::support::Sandbox;

#[test]
fn a_shop_is_made_in_an_empty_folder_as_it_was_shown_before() {
    let sandbox = Sandbox::new();
    let new = ["new", "shop", "--example", "shop", "--no-git"];
    let shown = sandbox.msvc([&new[..], &["--dry-run"]].concat());
    assert!(
        shown.starts_with("exit: 0\n--- stdout ---\ncreate "),
        "{shown}"
    );
    let is_empty = || {
        fs::read_dir(sandbox.path())
            .expect("there")
            .next()
            .is_none()
    };
    assert!(is_empty(), "it was shown, not made");
    insta::assert_snapshot!(sandbox.msvc(new), @r"
    exit: 0
    --- stderr ---
         Created a workspace in [SANDBOX]
         Created services/api-gateway
         Created services/inventory-service
         Created services/order-service
         Created services/payment-service
         Created services/user-service
    hint: `msvc run` builds it and runs it; README.md says what there is to see
    ");
    for line in shown.lines().filter_map(|it| it.strip_prefix("create ")) {
        assert!(sandbox.path().join(line).is_file(), "{line}");
    }
    for (command, told) in [
        (
            &["proto", "gen", "--check"][..],
            "Fresh the generated code matches the protos",
        ),
        (&["proto", "lint"], "Clean no finding in 4 files"),
        (
            &["proto", "format", "--check"],
            "Fresh 4 files are formatted",
        ),
    ] {
        let output = sandbox.msvc(command);
        assert!(
            output.starts_with("exit: 0") && output.contains(told),
            "{output}"
        );
    }
    let manifest = fs::read_to_string(sandbox.path().join("msvc.toml")).expect("there");
    let (_, services) = manifest
        .split_once("\n[services.")
        .expect("it has services");
    insta::assert_snapshot!(format!("[services.{services}"), @r#"
    [services.api-gateway]
    port = 8080
    serves = []

    [services.inventory-service]
    port = 50052
    serves = ["inventory.v1.InventoryService"]
    needs = ["postgres"]

    [services.order-service]
    port = 50054
    serves = ["order.v1.OrderService"]
    needs = ["postgres", "rabbitmq"]

    [services.payment-service]
    port = 50053
    serves = ["payment.v1.PaymentService"]
    needs = ["postgres"]

    [services.user-service]
    port = 50051
    serves = ["user.v1.UserService"]
    needs = ["postgres", "rabbitmq"]
    "#);
}

#[test]
fn an_example_has_a_name_and_a_folder_of_its_own() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["new", "--example", "shop"]), @r"
    exit: 2
    --- stderr ---
    error: no name was given
    hint: say what the workspace is called: `msvc new shop --example shop`
    ");
    sandbox.msvc(["new", "shop", "--example", "shop", "--path", "inner"]);
    insta::assert_snapshot!(sandbox.msvc(["new", "shop", "--example", "shop", "--path", "inner/more"]), @r"
    exit: 1
    --- stderr ---
    error: `[SANDBOX]/inner/more` is in a workspace
    hint: an example is a workspace of its own: go to an empty folder outside
    ");
    insta::assert_snapshot!(sandbox.msvc(["new", "shop", "--example", "shop"]), @r"
    exit: 1
    --- stderr ---
    error: `[SANDBOX]` is not empty: it has `inner`
    hint: go to an empty folder, or name a new one with `--path DIR`
    ");
}
