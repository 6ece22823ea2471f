//! Waking up in time.
//!
//! tokio's timers have a grain of a millisecond, which would be the median latency of a fast server. On
//! Linux a timerfd is used, and the thread is asked to wake up without slack: a call is then sent some
//! tens of microseconds after it is due.

use std::io;
use std::time::Instant;

/// A timer of one thread.
#[cfg(target_os = "linux")]
pub(super) struct Timer(tokio::io::unix::AsyncFd<rustix::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Timer {
    /// The slack that the kernel may add, in nanoseconds.
    const SLACK: std::num::NonZeroU64 = std::num::NonZeroU64::MIN;

    /// Makes the timer of this thread.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub(super) fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        rustix::thread::set_current_timer_slack(Some(Self::SLACK))?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for descriptors that may be closed; this one is owned"
        )]
        let timer = tokio::io::unix::AsyncFd::new(descriptor)?;
        Ok(Self(timer))
    }

    /// Waits until then.
    pub(super) async fn sleep_until(&self, then: Instant) {
        if self.wait(then).await.is_err() {
            // Late is better than never.
            tokio::time::sleep_until(then.into()).await;
        }
    }

    async fn wait(&self, then: Instant) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let at = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: left.as_secs() as _,
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &at)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut expirations = [0; 8];
            let read = ready
                .try_io(|descriptor| Ok(rustix::io::read(descriptor.get_ref(), &mut expirations)?));
            match read {
                Ok(Ok(_)) => {
                    // It was read to its end: the next wait need not try before it waits.
                    ready.clear_ready();
                    return Ok(());
                }
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}

/// A timer of one thread.
#[cfg(not(target_os = "linux"))]
pub(super) struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    /// Makes the timer of this thread.
    ///
    /// # Errors
    /// Never.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits until then.
    pub(super) async fn sleep_until(&self, then: Instant) {
        tokio::time::sleep_until(then.into()).await;
    }
}
