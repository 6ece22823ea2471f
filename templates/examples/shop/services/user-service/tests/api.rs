//! Every method of `UserService`, called over a real connection through the whole server stack.

use chassis::config::Config;
use chassis::testing::{self, TestServer};
use protocol::user::v1::user_service_client::UserServiceClient;
use protocol::user::v1::{CreateUserRequest, GetUserRequest, User};
use tonic::transport::Channel;
use tonic::{Code, Status};
use user_service::{Settings, services};

type Client = UserServiceClient<Channel>;

/// A server without users; it stops when it is dropped.
async fn start() -> (TestServer, Client) {
    let mut config = Config::<Settings>::default();
    config.app.database = storage::Settings::at("sqlite::memory:");
    let services = services(&config).await.expect("it is set up");
    let server = testing::serve(services).await;
    let client = Client::new(server.channel());
    (server, client)
}

fn ann() -> CreateUserRequest {
    CreateUserRequest {
        id: "ann".to_owned(),
        name: "Ann".to_owned(),
    }
}

#[tokio::test]
async fn who_is_created_can_be_found() -> Result<(), Status> {
    let (_server, mut client) = start().await;
    client.create_user(ann()).await?;
    let id = "ann".to_owned();
    let found = client.get_user(GetUserRequest { id }).await?.into_inner();
    let expected = User {
        id: "ann".to_owned(),
        name: "Ann".to_owned(),
        order_count: 0,
    };
    assert_eq!(found.user, Some(expected));
    Ok(())
}

#[tokio::test]
async fn an_id_is_given_once() -> Result<(), Status> {
    let (_server, mut client) = start().await;
    client.create_user(ann()).await?;
    let refused = client.create_user(ann()).await.expect_err("is taken");
    assert_eq!(refused.code(), Code::AlreadyExists);
    Ok(())
}

#[tokio::test]
async fn what_is_not_valid_is_refused_with_its_field() {
    let (_server, mut client) = start().await;
    let request = CreateUserRequest {
        id: "a b".to_owned(),
        ..ann()
    };
    let refused = client.create_user(request).await.expect_err("is no id");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = chassis::status::field_violations(&refused);
    let rule = "must be 1 to 64 letters, digits, `-` and `_`";
    assert_eq!(details, [("id".to_owned(), rule.to_owned())]);
    let id = "bob".to_owned();
    let unknown = client.get_user(GetUserRequest { id }).await;
    assert_eq!(unknown.expect_err("unknown").code(), Code::NotFound);
}
