package dragoman;

import java.time.Duration;

/** A point in time that may be infinitely far away. */
final class Timer {
  private static final Duration FOREVER = Duration.ofDays(36500);

  private final long end;

  private Timer(long end) {
    this.end = end;
  }

  /** The end of a duration that begins now; null means that it never ends. */
  static Timer of(Duration duration) {
    boolean endless = duration == null || duration.compareTo(FOREVER) > 0;
    return new Timer(System.nanoTime() + (endless ? FOREVER : duration).toNanos());
  }

  /** What is left; negative once the time is over. */
  Duration left() {
    return Duration.ofNanos(end - System.nanoTime());
  }

  boolean isOver() {
    return end - System.nanoTime() <= 0;
  }

  /** The shorter one of the duration and what is left, and never negative. */
  Duration atMost(Duration duration) {
    Duration left = left();
    Duration shorter = left.compareTo(duration) < 0 ? left : duration;
    return shorter.isNegative() ? Duration.ZERO : shorter;
  }
}
