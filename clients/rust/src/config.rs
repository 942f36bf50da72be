//! The service config that `clients/dragoman_grpc_service_config.json` publishes, and the other settings of a client. A
//! test compares the first part with that file.

use std::time::Duration;

/// Size in bytes of the largest message that is sent or received: 64 MiB, for answers with log probabilities.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// Most attempts of a call that fails with UNAVAILABLE, the first one included. DeleteOperation is attempted once,
/// because it would report NOT_FOUND for what it has just deleted.
pub const MAX_ATTEMPTS: u32 = 4;

/// Longest delay before the second attempt; it doubles with each further one.
pub const INITIAL_BACKOFF: Duration = Duration::from_millis(200);

/// Longest delay between two attempts.
pub const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Time that a call may take, unless the client sets another one.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// Time without contact with the service after which reading or awaiting an operation fails.
pub const DEFAULT_RECONNECT_TIMEOUT: Duration = Duration::from_secs(120);

/// Longest delay before the first attempt to reconnect; it doubles with each further one, up to [`MAX_BACKOFF`].
pub(crate) const RECONNECT_DELAY: Duration = Duration::from_millis(100);

/// Time of one WaitOperation call. The service ends each one after this time.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(25);

/// Stands for times that are too long to be added to an `Instant`.
pub(crate) const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(crate) const KEEPALIVE: Duration = Duration::from_secs(20);
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const DEFAULT_MODEL: &str = "local";

/// A random delay that grows with the number of failures.
pub(crate) fn backoff(first: Duration, failures: u32) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let longest = first.saturating_mul(1 << failures.min(16)).min(MAX_BACKOFF);
    let share = RandomState::new().hash_one(failures) as f64 / u64::MAX as f64;
    longest.mul_f64(0.5 + share / 2.0)
}
