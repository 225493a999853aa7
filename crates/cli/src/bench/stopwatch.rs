//! Measures what a piece of work takes of a processor: what else the machine does hardly counts, where a clock on the
//! wall would show it.

use std::time::Duration;

/// Started when it is made, on the thread that reads it.
pub struct Stopwatch(Duration);

impl Stopwatch {
    /// Starts one.
    pub fn start() -> Self {
        Self(now())
    }

    /// The processor time of this thread since then.
    pub fn elapsed(&self) -> Duration {
        now().saturating_sub(self.0)
    }

    /// The same in seconds.
    pub fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }
}

#[cfg(unix)]
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The clock on the wall, where the system tells no more.
#[cfg(not(unix))]
fn now() -> Duration {
    static BEGIN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    BEGIN.elapsed()
}
