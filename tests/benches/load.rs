//! Callers that visit all of the portfolio's projects at once, for a round.

use std::time::{Duration, Instant};

use gevinst::ids::ProjectId;
use uuid::Uuid;

use super::portfolio::PROJECTS;

/// How many call at once.
pub const CALLERS: u128 = 16;
/// How long a round is.
pub const ROUND: Duration = Duration::from_secs(1);

/// Reads by all callers for a round; gives reads a second.
pub async fn rate<F, Fut, T>(read: F) -> f64
where
    F: Fn(ProjectId) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = T> + Send,
{
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let read = read.clone();
            tokio::spawn(async move {
                let mut reads = 0_u64;
                let mut next = caller;
                while began.elapsed() < ROUND {
                    // A stride that is prime to the count visits them all.
                    next = (next + 7919) % PROJECTS;
                    read(ProjectId::new(Uuid::from_u128(next + 1))).await;
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    let mut reads = 0;
    for caller in callers {
        reads += caller.await.unwrap();
    }
    reads as f64 / began.elapsed().as_secs_f64()
}
