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

/// Version 1 of the contract.
pub mod v1 {
    #![expect(
        clippy::all,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]
    tonic::include_proto!("gevinst.v1");
}
