//! The arithmetic of benefits: decimals and whole øre in, figures with their derivation out.
//!
//! Pure on purpose: no I/O, no proto, no database, so that a formula can be read, tested and recomputed by itself.

pub mod light;
pub mod progress;
pub mod realisation;
pub mod trend;
