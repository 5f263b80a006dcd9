//! The programs that nobody here wrote, where `tests/tools.sh` has put them.

use std::path::{Path, PathBuf};

/// A program of target/tools. Where it is missing the test fails: a client that is not asked tells nothing.
pub fn tool(program: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools").join(program);
    assert!(path.exists(), "{} is missing: run the tests with tests/run, which installs it", path.display());
    path
}
