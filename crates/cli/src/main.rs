//! The `tapeline` binary.

fn main() {}
