//! Benefits: what a project is to be worth, who answers for it, and what it became, also after the project has closed.

pub mod entity;
pub mod figures;
pub mod grpc;
pub mod map;
pub mod measuring;
pub mod owners;
pub mod planning;
pub mod profile;
pub mod register;
pub mod reports;
pub mod rules;
