//! Steps put together.

use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::machine::{Doing, Plan, PlannedStep};
use crate::{Context, Failure, Policy, Step};

/// A kind of saga: its steps, in stages that follow each other.
///
/// ```
/// # use saga::{Context, Failure, Policy, Saga, Step};
/// # macro_rules! step { ($($name:ident)*) => { $(struct $name; impl Step for $name {
/// #     type Input = (); type Output = (); const NAME: &'static str = stringify!($name);
/// #     async fn act(&self, _: &Context<()>) -> Result<(), Failure> { Ok(()) }
/// # })* } }
/// # step!(Reserve Charge Notify Confirm);
/// let saga = Saga::new("place-order")
///     .step(Reserve)
///     .parallel(|stage| stage.step_with(Charge, Policy::attempts(3)).step(Notify))
///     .step(Confirm);
/// ```
pub struct Saga<I> {
    name: &'static str,
    stages: Vec<Stage<I>>,
}

/// Steps that go on side by side.
pub struct Stage<I> {
    steps: Vec<(PlannedStep, Perform)>,
    input: PhantomData<fn(I)>,
}

/// What a step is told, without its types.
pub(crate) struct Call {
    pub(crate) input: Arc<str>,
    pub(crate) id: Arc<str>,
    pub(crate) key: String,
    pub(crate) attempt: u32,
    pub(crate) outputs: Arc<BTreeMap<String, Value>>,
    /// What the action found out, for its compensation.
    pub(crate) output: Option<Value>,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Perform = Arc<dyn Fn(Doing, Call) -> Boxed<Result<Value, Failure>> + Send + Sync>;

/// A saga without its type.
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) plan: Plan,
    performers: BTreeMap<&'static str, Perform>,
}

impl<I: DeserializeOwned + Send + Sync + 'static> Saga<I> {
    /// A saga without steps. `name` is what it is known by as long as there are any of its kind: when
    /// its steps change in a way that those cannot go on with, it gets another one.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            stages: Vec::new(),
        }
    }

    /// A step, after those before it.
    #[must_use]
    pub fn step(self, step: impl Step<Input = I>) -> Self {
        self.step_with(step, Policy::default())
    }

    /// A step, after those before it, that is tried as `policy` says.
    #[must_use]
    pub fn step_with(self, step: impl Step<Input = I>, policy: Policy) -> Self {
        self.parallel(|stage| stage.step_with(step, policy))
    }

    /// Steps that go on side by side, after those before them. What is after them waits for all.
    #[must_use]
    pub fn parallel(mut self, steps: impl FnOnce(Stage<I>) -> Stage<I>) -> Self {
        let stage = Stage {
            steps: Vec::new(),
            input: PhantomData,
        };
        self.stages.push(steps(stage));
        self
    }

    pub(crate) fn into_definition(self) -> Definition {
        let mut performers = BTreeMap::new();
        let mut stages = Vec::new();
        for stage in self.stages {
            let mut planned = Vec::new();
            for (step, perform) in stage.steps {
                let before = performers.insert(step.name, perform);
                assert!(
                    before.is_none(),
                    "the saga `{}` has two steps called `{}`",
                    self.name,
                    step.name
                );
                planned.push(step);
            }
            stages.push(planned);
        }
        Definition {
            name: self.name,
            plan: Plan { stages },
            performers,
        }
    }
}

impl<I: DeserializeOwned + Send + Sync + 'static> Stage<I> {
    /// A step beside the others.
    #[must_use]
    pub fn step(self, step: impl Step<Input = I>) -> Self {
        self.step_with(step, Policy::default())
    }

    /// A step beside the others that is tried as `policy` says.
    #[must_use]
    pub fn step_with<S: Step<Input = I>>(mut self, step: S, policy: Policy) -> Self {
        let planned = PlannedStep {
            name: S::NAME,
            policy,
        };
        let step = Arc::new(step);
        let perform: Perform = Arc::new(move |doing, call| {
            let step = Arc::clone(&step);
            Box::pin(perform(step, doing, call))
        });
        self.steps.push((planned, perform));
        self
    }
}

/// Calls a step with its types.
async fn perform<S: Step>(step: Arc<S>, doing: Doing, call: Call) -> Result<Value, Failure> {
    let input = serde_json::from_str(&call.input)
        .map_err(|error| Failure::refused(format!("the saga's input: {error}")))?;
    let context = Context {
        input,
        id: call.id,
        key: call.key,
        attempt: call.attempt,
        outputs: call.outputs,
    };
    match doing {
        Doing::Act => {
            let output = step.act(&context).await?;
            // It has had its effect: there is no way back but to undo it without its output.
            serde_json::to_value(output).map_err(Failure::retry)
        }
        Doing::Undo => {
            let output = call.output.map(serde_json::from_value).transpose();
            let output =
                output.map_err(|error| Failure::refused(format!("its output: {error}")))?;
            step.compensate(&context, output)
                .await
                .map(|()| Value::Null)
        }
    }
}

impl Definition {
    /// Does or undoes the step called `step`.
    pub(crate) fn perform(
        &self,
        step: &'static str,
        doing: Doing,
        call: Call,
    ) -> Boxed<Result<Value, Failure>> {
        match self.performers.get(step) {
            Some(perform) => perform(doing, call),
            None => Box::pin(async { Err(Failure::refused("there is no such step")) }),
        }
    }

    /// How the step is tried.
    pub(crate) fn policy(&self, step: &str) -> Policy {
        let mut steps = self.plan.stages.iter().flatten();
        let found = steps.find(|it| it.name == step);
        found.map(|it| it.policy).unwrap_or_default()
    }
}
