//! What a step is.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Failure;

/// A step: an action, and what undoes it. It has what it needs in its fields, such as clients.
///
/// Both may run more than once for a saga, with the same [`Context::key`].
pub trait Step: Send + Sync + 'static {
    /// What the saga is started with: the same for all its steps.
    type Input: DeserializeOwned + Send + Sync;
    /// What the action finds out, for later steps and for its compensation. It is kept as JSON.
    type Output: Serialize + DeserializeOwned + Send;

    /// Its name, by which it is known as long as there are sagas in which it has begun.
    const NAME: &'static str;

    /// Does it.
    fn act(
        &self,
        context: &Context<Self::Input>,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;

    /// Undoes it. Without `output` it is not known whether the action had its effect. Not needed where
    /// there is nothing to undo.
    fn compensate(
        &self,
        context: &Context<Self::Input>,
        output: Option<Self::Output>,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (context, output);
        async { Ok(()) }
    }
}

/// What a step knows of its saga.
#[derive(Debug)]
pub struct Context<I> {
    pub(crate) input: I,
    pub(crate) id: Arc<str>,
    pub(crate) key: String,
    pub(crate) attempt: u32,
    pub(crate) outputs: Arc<BTreeMap<String, Value>>,
}

impl<I> Context<I> {
    /// What the saga was started with.
    #[must_use]
    pub fn input(&self) -> &I {
        &self.input
    }

    /// The id that it was started with.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What this step is known by to the services that it calls, however often it is tried:
    /// `place-order/order-1/charge`. It is the same for the action and its compensation.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How often it was tried, this time included.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What the step `S` found out, which was acted in an earlier stage.
    ///
    /// # Errors
    /// When it was not acted, or is of another type than it was: neither will pass, so it is refused.
    pub fn output<S: Step>(&self) -> Result<S::Output, Failure> {
        let output = self.outputs.get(S::NAME);
        let output =
            output.ok_or_else(|| Failure::refused(format!("`{}` has no output", S::NAME)))?;
        S::Output::deserialize(output)
            .map_err(|error| Failure::refused(format!("the output of `{}`: {error}", S::NAME)))
    }
}
