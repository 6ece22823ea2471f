//! `UserService` as gRPC sees it.

use chassis::status::not_found;
use chassis::validate::Violations;
use protocol::user::v1::user_service_server::UserService;
use protocol::user::v1::{
    CreateUserRequest, CreateUserResponse, GetUserRequest, GetUserResponse, User,
};
use storage::{Database, Error, FromRow, Row};
use tonic::{Request, Response, Status};

/// The longest id and the longest name, in characters.
const MAX_ID: usize = 64;
const MAX_NAME: usize = 100;

/// `UserService` over a database.
#[derive(Debug)]
pub struct UserApi {
    database: Database,
}

/// A row of `users`.
struct Stored(User);

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, Error> {
        Ok(Self(User {
            id: row.get("id")?,
            name: row.get("name")?,
            order_count: row.get("order_count")?,
        }))
    }
}

impl UserApi {
    /// Serves what is in the database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[tonic::async_trait]
impl UserService for UserApi {
    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let CreateUserRequest { id, name } = request.into_inner();
        let is_plain = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
        let is_id = (1..=MAX_ID).contains(&id.len()) && id.chars().all(is_plain);
        let is_name = !name.trim().is_empty() && name.chars().count() <= MAX_NAME;
        Violations::new()
            .require(is_id, "id", "must be 1 to 64 letters, digits, `-` and `_`")
            .require(is_name, "name", "must be 1 to 100 characters")
            .finish()?;
        let created: Stored = self
            .database
            .query("INSERT INTO users (id, name, order_count) VALUES ($1, $2, 0) RETURNING *")
            .bind(id)
            .bind(name)
            .fetch_one()
            .await?;
        let user = Some(created.0);
        Ok(Response::new(CreateUserResponse { user }))
    }

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let id = request.into_inner().id;
        let found: Option<Stored> = self
            .database
            .query("SELECT * FROM users WHERE id = $1")
            .bind(&id)
            .fetch_optional()
            .await?;
        let user = found.ok_or_else(|| not_found("user", id))?.0;
        Ok(Response::new(GetUserResponse { user: Some(user) }))
    }
}
