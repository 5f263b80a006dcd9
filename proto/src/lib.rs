//! The contract of Gevinst: the types, server traits and clients generated from `gevinst/v1/*.proto`.
//!
//! It knows nothing of how a call is answered. What callers may rely on is written in the proto files' comments.

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// The contract with its comments and options, encoded as a `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.bin"));

/// The contract, to look messages, methods and options up in.
pub static DESCRIPTOR_POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTOR_SET).expect("build.rs has decoded the same bytes"));

pub use generated::{gevinst::v1, google};

/// The packages nested as their names are: types of one name those of another by `super`.
mod generated {
    #![expect(
        clippy::all,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]

    pub mod gevinst {
        /// Version 1 of the contract.
        pub mod v1 {
            tonic::include_proto!("gevinst.v1");
        }
    }

    /// What the contract uses of Google's.
    pub mod google {
        /// How calls look over HTTP; of its messages those that a file of the contract imports.
        pub mod api {
            tonic::include_proto!("google.api");
        }
    }
}
