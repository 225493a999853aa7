//! Has the binary made anew when the pages inside it are: they are built by `scripts/build-examples`, or not at all.

use std::path::Path;

fn main() {
    let built = Path::new("../../examples/dist");
    let watched = if built.exists() { built } else { Path::new("../../examples") };
    println!("cargo:rerun-if-changed={}", watched.display());
    println!("cargo:rerun-if-changed=build.rs");
}
