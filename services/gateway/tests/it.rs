//! The gateway over its public function, with services of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

#[path = "it/behaviour.rs"]
mod behaviour;
#[path = "it/conformance.rs"]
mod conformance;
#[path = "it/fuzz.rs"]
mod fuzz;
#[path = "it/harness.rs"]
mod harness;
#[path = "it/openapi.rs"]
mod openapi;
