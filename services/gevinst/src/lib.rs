//! Gevinst: the governance record of a municipality's digital portfolio. What is proposed, what is known, who decided
//! what on which basis, and what value came of it.
//!
//! # The map
//!
//! A call passes `server` (the stack, layer by layer), becomes a [`ctx::Ctx`] (who, where, when), and is answered by its
//! resource: `grpc.rs` decodes and encodes, `mod.rs` holds commands and queries, `rules.rs` the rules, `entity.rs` the
//! rows. A command is one transaction with its audit entry. A query is one round trip (two to tell an empty list from a
//! missing parent, when roles have changed since the caller's last call, or when a gate model is met for the first time), held to what the caller may see twice: by
//! row-level security and by the policies (`auth/policies.cedar`).
//!
//! | Read once | What it decides |
//! |---|---|
//! | [`server`] | what every call passes, in order |
//! | `connections` | what a connection may take: how many, how long, how much |
//! | `tls` | how connections are encrypted, and where certificates come from |
//! | [`peer`] | from where a call comes |
//! | `shares` | how many connections an address may hold |
//! | `rates` | how many calls a second an address and a caller may make |
//! | `web` | what HTTP adds: the gateway, documents, headers |
//! | [`ctx`] | what a call carries; how a command begins, is recorded and commits |
//! | [`db`] | how a read is scoped, how a write is |
//! | [`auth`] | who calls, what they hold, and the policies of who may what |
//! | [`error`] | every way to fail, and what the caller is told |
//! | [`audit`] | what is recorded of every change and refusal |
//! | `clock` | what happens because a day has passed, and on which replica |
//! | [`listing`] | filters, orders and pages |
//! | [`readiness`] | when calls can be answered |
//! | [`doctor`], [`healthcheck`] | what an administrator, or a container engine, asks of an installation |
//!
//! | Resource | Service |
//! |---|---|
//! | [`organisations`] | `OrganisationService` |
//! | [`projects`] | `ProjectService` |
//! | [`gates`] | `GateService` |
//! | [`conditions`] | `ConditionService` |
//! | [`funding`] | `FundingService` |
//! | [`plans`] | `PlanService` |
//! | [`lessons`] | `LessonService` |
//! | [`dossier`] | `DossierService` |
//! | [`benefits`] | `BenefitService`, `BenefitReportService`, `BenefitMapService` |
//! | [`strategy`] | `StrategyService` |
//! | [`realisation`] | `RealisationService` |
//! | [`access`] | `AccessService` |
//! | [`audit`] | `AuditService` |
//!
//! # Invariants, and what holds each
//!
//! 1. `appraisal` and every `rules.rs` know no I/O, transport or database: `tests/it/architecture.rs`.
//! 2. Only `grpc.rs`, `server.rs`, `connections.rs`, `web`, `error.rs` and `auth/mod.rs` name tonic or axum, and
//!    `dev/demo.rs`, a client of the API: `tests/it/architecture.rs`.
//! 3. Only `error.rs` names a status code: `tests/it/architecture.rs`; its matches are exhaustive: the compiler.
//! 4. A write exists only inside a command (but the clock's lease, which is no organisation's), which cannot commit without
//!    its audit entry: [`db::Scoped`] executes
//!    nothing, a transaction begins and commits in [`ctx`] alone, `Done` can only be made with an [`auth::Allowed`];
//!    `tests/it/architecture.rs`, `tests/it/coverage.rs`.
//! 5. A lookup is scoped to the caller's organisation: finders take an [`ids::OrganisationId`]; row-level security holds
//!    underneath: `tests/it/isolation.rs`. What is listed is what can be read and what the policies allow:
//!    `tests/it/visibility.rs`; what they never allow is proved: `tests/it/proof.rs`.
//! 6. Time, ids and randomness come from [`ctx::Ctx`]: `.clippy.toml`.
//! 7. Every RPC refuses the unauthenticated, every command leaves an audit entry, every RPC but a client's stream has its HTTP path:
//!    `tests/it/coverage.rs`, over the descriptor set.
//! 8. No trait with one implementation: `tests/it/architecture.rs`. No repository layer, no twin types: review.

pub mod access;
pub mod audit;
pub mod auth;
pub mod benefits;
mod clock;
pub mod conditions;
pub mod config;
mod connections;
pub mod ctx;
pub mod db;
pub mod dev;
pub mod doctor;
pub mod dossier;
pub mod error;
pub mod funding;
pub mod gates;
pub mod healthcheck;
pub mod ids;
pub mod lessons;
pub mod listing;
pub mod migrate;
pub mod organisations;
pub mod peer;
pub mod plans;
pub mod projects;
mod rates;
pub mod readiness;
pub mod realisation;
pub mod server;
mod shares;
pub mod strategy;
pub mod telemetry;
mod texts;
mod tls;
mod web;
pub mod wire;
