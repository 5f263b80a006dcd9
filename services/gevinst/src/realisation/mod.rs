//! What becomes of benefits once a project has been taken into use, also after it has closed: the policy they are followed
//! by, what they take out of the budget, what reviews find, and the measurements that are to be made (S29, S30).

pub mod calendar;
pub mod effects;
pub mod entity;
pub mod grpc;
pub mod policies;
pub mod reviews;
pub mod rules;
