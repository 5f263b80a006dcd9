//! The sandbox for the expressions (CEL) that administrators publish as gate criteria: what may be written, what a
//! dossier looks like to it, and how it is evaluated.
//!
//! An expression passes three doors. [`Expression::new`] refuses, when it is published, whatever does not parse, does
//! not fit the dossier's message or could take long (`bounds`, `check`). [`Facts::new`] refuses a dossier that is larger than what
//! expressions were bounded for (`facts`). [`evaluate`] runs on threads of its own, with deep stacks, no panic let out
//! and a limit in wall-clock time (`threads`). The `cel` crate parses and evaluates; it has no type checker and no
//! budget, and its limits alone stop neither deep expressions nor slow ones.
//!
//! It knows no criterion, gate or database. An expression sees its facts and nothing else: no clock, no I/O.

mod bounds;
mod check;
mod compare;
mod facts;
#[cfg(test)]
mod fuzz;
mod kinds;
mod macros;
mod show;
#[cfg(test)]
mod tests;
mod threads;

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock, mpsc},
    time::Duration,
};

use cel::{
    Context, Env, ExecutionError, IdedExpr, Value,
    common::types::CelBool,
    parser::{ParseErrors, PrattParser},
};
use prost_reflect::{MessageDescriptor, ReflectMessage};
use tokio::{
    sync::{mpsc::unbounded_channel, oneshot},
    time::timeout,
};

use self::facts::Facts;

/// The longest expression, in bytes.
const SOURCE: usize = 2 << 10;
/// How deep parentheses, arguments and the like may nest. The parser counts some of them.
const DEPTH: u16 = 32;
/// How long an expression may take to be read. None comes near.
const READING: Duration = Duration::from_secs(2);
/// How long an expression may wait for a thread.
const WAITING: Duration = Duration::from_secs(5);
/// How long an expression may take to be evaluated. What [`Expression::new`] accepts stays far below: it takes microseconds, and
/// the rest is for a machine that is busy, or a container that is held back, for what is not evaluated is not met.
const EVALUATING: Duration = Duration::from_secs(1);

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A checked expression, ready to be evaluated.
#[derive(Debug)]
pub struct Expression {
    tree: IdedExpr,
    names: BTreeSet<String>,
}

/// Why an expression is refused when it is published: what, where and how to mend it, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl Expression {
    /// Parses, bounds and type-checks an expression over the fields of `schema`. Blocks for less than a millisecond.
    pub fn new(source: &str, schema: &MessageDescriptor) -> Result<Self, Refusal> {
        if source.len() > SOURCE {
            return Err(Refusal(format!("The expression is {} bytes long; at most {SOURCE} fit.", source.len())));
        }
        let (answer, answered) = mpsc::sync_channel(1);
        let (source, schema) = (source.to_owned(), schema.clone());
        // Where what is refused is dropped, too: deep trees are dropped recursively.
        let work = move || {
            let read = threads::caught(|| read(&source, &schema));
            let _ = answer.send(read.unwrap_or_else(|| Err(Refusal("The expression cannot be read.".to_owned()))));
        };
        let task = threads::start(work);
        let read = answered.recv_timeout(READING);
        if read.is_ok() {
            task.finish();
        }
        read.unwrap_or_else(|_| Err(Refusal("The expression took too long to read.".to_owned())))
    }

    /// The names of the fields that it speaks of, at whatever depth. What has none of these names, it cannot see.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    fn holds(&self, context: &Context<'_, '_>) -> Result<bool, String> {
        let value = Value::resolve_val(&self.tree, context).map_err(|error| stated(&error))?;
        value.downcast_ref::<CelBool>().map(|value| *value.inner()).ok_or_else(not_set)
    }
}

/// The facts by their names, as expressions are evaluated over them.
fn context(facts: &Facts) -> Result<Context<'_, '_>, String> {
    let mut context = Context::with_env(Arc::clone(&ENV));
    for (name, value) in facts.variables()? {
        context.add_variable_as_val(name, value);
    }
    Ok(context)
}

/// Why it cannot be said whether an expression holds: one sentence that quotes none of the facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// It never can, of these facts.
    Stated(String),
    /// The machine was too busy; what is asked again may be answered.
    Busy(String),
}

impl Undecided {
    /// The sentence.
    pub fn text(&self) -> &str {
        match self {
            Self::Stated(text) | Self::Busy(text) => text,
        }
    }
}

/// Evaluates expressions over a dossier, in their order: whether each holds, or why that cannot be said. An error never
/// counts as met.
pub async fn evaluate(
    expressions: Vec<Arc<Expression>>,
    dossier: &impl ReflectMessage,
) -> Vec<Result<bool, Undecided>> {
    let names = expressions.iter().flat_map(|expression| expression.names()).collect();
    let facts = Facts::new(dossier, &names);
    let mut results = Vec::with_capacity(expressions.len());
    while results.len() < expressions.len() {
        // Handed over together; where one takes too long, its thread is given up, and those behind it get another.
        let rest = expressions[results.len()..].to_vec();
        results.extend(evaluate_in_turn(rest, facts.clone()).await);
    }
    results
}

/// Evaluates expressions on one thread, each in its own time: up to the first that takes too long.
async fn evaluate_in_turn(expressions: Vec<Arc<Expression>>, facts: Facts) -> Vec<Result<bool, Undecided>> {
    let count = expressions.len();
    let (start, started) = oneshot::channel();
    let (answer, mut answers) = unbounded_channel();
    let task = threads::start(move || {
        let _ = start.send(());
        let context = threads::caught(|| context(&facts)).unwrap_or_else(|| Err(unevaluated()));
        for expression in expressions {
            let holds = || context.as_ref().map_err(String::clone).and_then(|context| expression.holds(context));
            let held = threads::caught(holds).unwrap_or_else(|| Err(unevaluated()));
            // Nobody waits any more.
            if answer.send(held).is_err() {
                return;
            }
        }
    });
    if !matches!(timeout(WAITING, started).await, Ok(Ok(()))) {
        let busy = "The expression waited too long for others to be evaluated.";
        return vec![Err(Undecided::Busy(busy.to_owned())); count];
    }
    let mut results = Vec::with_capacity(count);
    while results.len() < count {
        let Ok(Some(held)) = timeout(EVALUATING, answers.recv()).await else {
            results.push(Err(Undecided::Busy("The expression took too long.".to_owned())));
            return results;
        };
        results.push(held.map_err(Undecided::Stated));
    }
    task.finish();
    results
}

fn unevaluated() -> String {
    "The expression cannot be evaluated.".to_owned()
}

fn read(source: &str, schema: &MessageDescriptor) -> Result<Expression, Refusal> {
    if brackets(source) > usize::from(DEPTH) {
        return Err(Refusal(format!("The expression nests brackets more than {DEPTH} deep.")));
    }
    let parser = PrattParser::new().max_recursion_depth(DEPTH).max_expression_node_count(bounds::NODES);
    let mut tree = parser.parse(source).map_err(|errors| unread(source, &errors))?;
    let names = check::check(&mut tree, schema)?;
    Ok(Expression { tree, names })
}

/// How deep brackets nest, those in texts among them.
fn brackets(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What the parser says of its first complaint, with its place.
fn unread(source: &str, errors: &ParseErrors) -> Refusal {
    let Some(error) = errors.errors.first() else { return Refusal("The expression cannot be read.".to_owned()) };
    let message: String =
        error.msg.chars().take(160).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    let (Ok(line @ 1..), Ok(column @ 1..)) = (usize::try_from(error.pos.0), usize::try_from(error.pos.1)) else {
        return Refusal(format!("The expression cannot be read: {message}."));
    };
    // The parser counts bytes.
    let before = source.split('\n').nth(line - 1).and_then(|text| text.get(..column - 1));
    let column = before.map_or(column, |text| text.chars().count() + 1);
    Refusal(format!("The expression cannot be read at line {line}, column {column}: {message}."))
}

fn not_set() -> String {
    "The expression uses a value that is not set or not a number.".to_owned()
}

/// The crate's own texts quote values of the dossier.
fn stated(error: &ExecutionError) -> String {
    let text = match error {
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "The expression divides by zero.",
        ExecutionError::Overflow(..) => "A number in the expression grows too large.",
        ExecutionError::IndexOutOfBounds(_) => "The expression asks for an element that its list does not have.",
        ExecutionError::FunctionError { function, .. } => {
            return format!("{function}() was given a value that it cannot convert.");
        }
        ExecutionError::UndeclaredReference(name) => return format!("`{name}` is not in the dossier."),
        // What is type-checked fits everywhere, but for null, and for NaN, which has no order.
        _ => return not_set(),
    };
    text.to_owned()
}
