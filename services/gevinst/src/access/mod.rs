//! Who may do what, as an organisation keeps it: grants, delegations, the authority matrix (I04), revocations, and what
//! all of it comes to on one project. The decision itself is `auth`'s.

mod delegations;
pub mod entity;
mod grants;
pub mod grpc;
mod matrix;
mod permissions;
mod revocations;
pub mod rules;

pub use self::grants::{Bestowal, bestow};
