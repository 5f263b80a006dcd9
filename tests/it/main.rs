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
mod benefit_map;
mod benefits;
mod budget_effects;
mod bulk;
mod calendar;
mod chaos;
mod cli;
mod clients;
mod clock;
mod conditions;
mod coverage;
mod deciding;
mod demo;
mod docs;
mod doctor;
mod documents;
mod errors;
mod funding;
mod gate_models;
mod gates;
mod grid;
mod history;
mod http;
mod isolation;
mod lessons;
mod limits;
mod migrations;
mod operator;
mod organisations;
mod owners;
mod paper;
mod plans;
mod projects;
mod proof;
mod provider;
mod readiness;
mod realisation;
mod register;
mod reviews;
mod rollups;
mod statemachine;
mod strategy;
mod telemetry;
mod tls;
mod visibility;
