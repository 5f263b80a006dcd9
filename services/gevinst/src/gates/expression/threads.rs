//! The threads that expressions are read and evaluated on: few, with deep stacks, started when first needed, and
//! replaced, up to a bound, when one does not come back in time.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};

/// Threads that work.
const SIZE: usize = 2;
/// Threads that may be lost at one time before they are no longer replaced.
const LOST: usize = 6;
/// Measured in a debug build: the deepest tree that is accepted is evaluated in 4 MiB, and the deepest source that is
/// short enough is parsed in 2 MiB.
const STACK: usize = 16 << 20;

static POOL: OnceLock<Pool> = OnceLock::new();

#[derive(Default)]
struct Pool {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    working: usize,
    lost: usize,
}

struct Job {
    phase: Arc<AtomicU8>,
    work: Box<dyn FnOnce() + Send>,
}

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const OVER: u8 = 2;
const GIVEN_UP: u8 = 3;

/// Work that somebody waits for. Dropped before it is over, it is not begun, or its thread is given up.
#[must_use]
pub struct Task(Arc<AtomicU8>);

impl Task {
    /// The work has answered.
    pub fn finish(self) {
        self.0.store(OVER, Ordering::SeqCst);
    }

    fn passes(&self, from: u8, to: u8) -> bool {
        passes(&self.0, from, to)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.passes(QUEUED, OVER) && self.passes(RUNNING, GIVEN_UP) {
            let pool = pool();
            let mut state = pool.state();
            state.working -= 1;
            state.lost += 1;
            staff(&mut state);
        }
    }
}

fn passes(phase: &AtomicU8, from: u8, to: u8) -> bool {
    phase.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pool() -> &'static Pool {
    POOL.get_or_init(Pool::default)
}

/// Queues work. It must not unwind: see [`caught`].
pub fn start(work: impl FnOnce() + Send + 'static) -> Task {
    let phase = Arc::new(AtomicU8::new(QUEUED));
    let pool = pool();
    let mut state = pool.state();
    state.queue.push_back(Job { phase: Arc::clone(&phase), work: Box::new(work) });
    staff(&mut state);
    pool.ready.notify_one();
    Task(phase)
}

/// What `work` gives, unless it panics.
pub fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Where no thread can be had, work waits, and whoever waits for it gives up in time.
fn staff(state: &mut State) {
    while state.working < SIZE && state.working + state.lost < SIZE + LOST {
        let thread = thread::Builder::new().name("expressions".to_owned()).stack_size(STACK);
        match thread.spawn(serve) {
            Ok(_) => state.working += 1,
            Err(_) => return,
        }
    }
}

fn serve() {
    let pool = pool();
    loop {
        let mut state = pool.state();
        let job = loop {
            match state.queue.pop_front() {
                Some(job) => break job,
                None => state = pool.ready.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(state);
        let Job { phase, work } = job;
        if !passes(&phase, QUEUED, RUNNING) {
            continue;
        }
        work();
        // Its Task may be told that it is over before or after; only one that was given up has been replaced.
        if phase.swap(OVER, Ordering::SeqCst) == GIVEN_UP {
            let mut state = pool.state();
            state.lost -= 1;
            if state.working >= SIZE {
                return;
            }
            state.working += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    /// More threads than may be lost hang; what comes after them waits, and is answered when they come back.
    #[test]
    fn lost_threads_replaced_up_to_a_bound() {
        let soon = Duration::from_secs(10);
        let mut ends = Vec::new();
        for _ in 0..SIZE + LOST {
            let (begun, begins) = mpsc::channel();
            let (end, ended) = mpsc::channel::<()>();
            let task = start(move || {
                let _ = begun.send(());
                let _ = ended.recv();
            });
            begins.recv_timeout(soon).unwrap();
            drop(task);
            ends.push(end);
        }
        let (answer, answered) = mpsc::channel();
        let waiting = start(move || answer.send(1).unwrap());
        assert!(answered.recv_timeout(Duration::from_millis(20)).is_err());
        drop(ends);
        assert_eq!(answered.recv_timeout(soon), Ok(1));
        waiting.finish();
    }
}
