//! Services that a saga calls, as a table: what has an effect is a row, and a key that was undone is
//! remembered.

use std::process::Command;
use std::time::Duration;

use chassis::config::Duration as Setting;
use saga::{Context, Failure, Policy, Saga, Settings, Step};
use serde::{Deserialize, Serialize};
use storage::{Database, Migration};

pub(crate) const MIGRATIONS: &[Migration] = &[Migration::new(
    "world",
    "0001_effects",
    "CREATE TABLE effects (key TEXT PRIMARY KEY, is_undone BOOLEAN NOT NULL);
     CREATE TABLE calls (number BIGINT NOT NULL, what TEXT NOT NULL)",
)];

/// What a saga is started with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The step that refuses.
    pub(crate) refused: Option<String>,
    /// The step that gets no answer the first time, though it has its effect.
    pub(crate) unanswered: Option<String>,
}

/// How the policy of all steps is here: quick.
pub(crate) fn quick() -> Policy {
    Policy {
        attempts: 3,
        timeout: Duration::from_secs(5),
        min_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(5),
    }
}

/// How sagas are worked on here: those of a process that died are soon taken up.
pub(crate) fn settings() -> Settings {
    Settings {
        lease: Setting::from_millis(400),
        poll_interval: Setting::from_millis(20),
        ..Settings::default()
    }
}

/// Where a process dies: `act charge before`, `undo reserve after`.
pub(crate) const DIE_AT: &str = "SAGA_TEST_DIE_AT";

#[derive(Debug, Clone)]
pub(crate) struct World(pub(crate) Database);

impl World {
    async fn act(&self, step: &'static str, context: &Context<Order>) -> Result<(), Failure> {
        self.call("act", step).await?;
        die(&format!("act {step} before"));
        if context.input().refused.as_deref() == Some(step) {
            return Err(Failure::refused("as told"));
        }
        let insert = self.0.query(
            "INSERT INTO effects (key, is_undone) VALUES ($1, FALSE) ON CONFLICT (key) DO NOTHING",
        );
        insert.bind(context.key()).execute().await?;
        let is_undone = self.0.query("SELECT is_undone FROM effects WHERE key = $1");
        let is_undone: bool = is_undone.bind(context.key()).fetch_one().await?;
        if is_undone {
            return Err(Failure::refused("it was undone"));
        }
        die(&format!("act {step} after"));
        match context.input().unanswered.as_deref() == Some(step) && context.attempt() == 1 {
            true => Err(Failure::retry("no answer, as told")),
            false => Ok(()),
        }
    }

    async fn undo(&self, step: &'static str, context: &Context<Order>) -> Result<(), Failure> {
        self.call("undo", step).await?;
        die(&format!("undo {step} before"));
        let undo = self.0.query(
            "INSERT INTO effects (key, is_undone) VALUES ($1, TRUE)
             ON CONFLICT (key) DO UPDATE SET is_undone = TRUE",
        );
        undo.bind(context.key()).execute().await?;
        die(&format!("undo {step} after"));
        Ok(())
    }

    async fn call(&self, doing: &str, step: &str) -> Result<(), Failure> {
        let note = self
            .0
            .query("INSERT INTO calls (number, what) VALUES ((SELECT COUNT(*) FROM calls), $1)");
        note.bind(format!("{doing} {step}")).execute().await?;
        Ok(())
    }

    /// What was called, in order.
    pub(crate) async fn calls(&self) -> Vec<String> {
        let calls = self.0.query("SELECT what FROM calls ORDER BY number");
        calls.fetch_all().await.expect("rows")
    }

    /// The keys of effects that hold.
    pub(crate) async fn effects(&self) -> Vec<String> {
        let effects = self
            .0
            .query("SELECT key FROM effects WHERE NOT is_undone ORDER BY key");
        effects.fetch_all().await.expect("rows")
    }
}

/// As a power failure would have it, if this is where this process is to die.
fn die(here: &str) {
    if std::env::var(DIE_AT).is_ok_and(|it| it == here) {
        let pid = std::process::id().to_string();
        let killed = Command::new("kill").args(["-s", "KILL", &pid]).status();
        killed.expect("kill runs");
        loop {
            std::thread::park();
        }
    }
}

/// Steps that do what they are told to, with what they find out.
macro_rules! steps {
    ($($step:ident $name:literal;)*) => {$(
        pub(crate) struct $step(pub(crate) World);

        impl Step for $step {
            type Input = Order;
            type Output = String;
            const NAME: &'static str = $name;

            async fn act(&self, context: &Context<Order>) -> Result<String, Failure> {
                self.0.act($name, context).await?;
                Ok(format!("{} of {}", $name, context.id()))
            }

            async fn compensate(
                &self,
                context: &Context<Order>,
                output: Option<String>,
            ) -> Result<(), Failure> {
                if let Some(output) = output {
                    assert_eq!(output, format!("{} of {}", $name, context.id()));
                }
                self.0.undo($name, context).await
            }
        }
    )*};
}

steps! {
    Reserve "reserve";
    Charge "charge";
    Confirm "confirm";
}

/// The saga of these tests.
pub(crate) fn place_order(world: &World) -> Saga<Order> {
    Saga::new("order")
        .step_with(Reserve(world.clone()), quick())
        .step_with(Charge(world.clone()), quick())
        .step_with(Confirm(world.clone()), quick())
}

/// The keys of all its effects.
pub(crate) fn all_effects(id: &str) -> Vec<String> {
    ["charge", "confirm", "reserve"]
        .map(|step| format!("order/{id}/{step}"))
        .to_vec()
}
