//! Gevinst seen from outside.

fn main() {}
