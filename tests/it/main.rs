//! Gevinst seen from outside: every test speaks to a real server, in front of a real PostgreSQL, over its public API.
//!
//! `harness` starts both and holds the people who call; the other modules are named for what they hold the service to.
//! A test gets a fresh organisation, its own server on port 0 and its own clock; all share one migrated database.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod harness;

mod access;
mod architecture;
mod attacks;
mod audit;
mod auth;
mod benefits;
mod chaos;
mod cli;
mod clients;
mod coverage;
mod docs;
mod documents;
mod errors;
mod gates;
mod grid;
mod http;
mod isolation;
mod limits;
mod operator;
mod organisations;
mod projects;
mod proof;
mod provider;
mod telemetry;
mod tls;
mod visibility;
