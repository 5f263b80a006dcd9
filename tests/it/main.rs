//! Gevinst seen from outside: every test speaks to a real server, in front of a real PostgreSQL, over its public API.
//!
//! `harness` starts both and holds the people who call; the other modules are named for what they hold the service to.
//! A test gets a fresh organisation, its own server on port 0 and its own clock; all share one migrated database.

mod harness;

mod audit;
mod benefits;
mod chaos;
mod cli;
mod gates;
mod organisations;
mod projects;
