//! Nothing is listed that cannot be read, and nothing readable is missing: over random organisations, what a caller sees
//! by lists, by reading each object, by the policies and by row-level security is the same, and is what an oracle says
//! that was written here, from the rules' words and without the service's code.
//!
//! `GEVINST_TEST_SEED` draws other organisations; a failure says with which seed, and the smallest organisation that
//! shows it. Ids are the same in every organisation, so that one that leaks into another is seen.

mod drawn;
mod oracle;
mod seen;
mod stage;

use futures_util::future::try_join_all;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::{
    drawn::{Drawn, drawn},
    seen::Looking,
    stage::Stage,
};
use crate::harness::process::tell;

/// How many organisations a failure may take to become small.
const SHRINKS: u32 = 80;

/// Two that ought to be equal.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, told: T, expected: T) -> Result<(), String> {
    if told == expected { Ok(()) } else { Err(format!("{what}: {told:?}, and not {expected:?}")) }
}

fn seed() -> u64 {
    let chosen = std::env::var("GEVINST_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    // The short run is the same each time; the long one is another each time.
    let long = std::env::var_os("GEVINST_TEST_LONG").is_some();
    let other = || if long { gevinst::ctx::Clock::default().now().unix_timestamp().unsigned_abs() } else { 1 };
    chosen.unwrap_or_else(other)
}

#[test]
fn listed_is_readable_is_decided_is_row_level_security_for_random_organisations() {
    let cases = if std::env::var_os("GEVINST_TEST_LONG").is_some() { 600 } else { 40 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: SHRINKS, ..Config::default() };
    let seed = seed();
    let bytes: Vec<u8> = std::iter::repeat_n(seed.to_le_bytes(), 4).flatten().collect();
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stage = runtime.block_on(Stage::new(cases + SHRINKS + 1));
    let began = std::time::Instant::now();
    let result = runner.run(&drawn(), |drawn| runtime.block_on(check(&stage, drawn)).map_err(TestCaseError::fail));
    let (objects, visible) = stage.counted();
    tell(&format!(
        "visibility: {objects} times an object and a caller, {visible} of them seen, in {:?}, seed {seed}",
        began.elapsed()
    ));
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, drawn)) => panic!("GEVINST_TEST_SEED={seed} shows it: {why}\n{drawn:#?}"),
        Err(error) => panic!("GEVINST_TEST_SEED={seed}: {error}"),
    }
    // Neither all nor nothing: both sides of the rule are drawn.
    assert!(visible * 10 > objects && visible * 10 < objects * 9, "{visible} of {objects}");
}

/// One organisation, looked at, changed, and looked at again, by everybody in it.
async fn check(stage: &Stage, mut drawn: Drawn) -> Result<(), String> {
    let organisation = stage.found(&drawn).await;
    for (look, changes) in drawn.looks.clone().into_iter().zip([Vec::new(), drawn.changes.clone()]) {
        for change in changes {
            if drawn.apply(&change) {
                stage.change(organisation, &change).await;
            }
        }
        stage.set_clock(drawn.summer, look);
        let lookings = (0..drawn::CALLERS).map(|who| Looking::new(stage, organisation, &drawn, look, who).check());
        try_join_all(lookings).await.map_err(|why| format!("{look:?}: {why}"))?;
    }
    Ok(())
}
