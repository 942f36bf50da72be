package dragoman;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** Settings of a connection; {@link ClientBuilder} describes them. */
record Settings(
    String target,
    Duration timeout,
    Duration reconnectTimeout,
    Duration reconnectDelay,
    Duration longestWait) {
  private static final Duration LONGEST_DELAY = Duration.ofSeconds(5);
  private static final int MOST_DOUBLINGS = 16; // of the delay, which is the longest one by then

  /** The pause before the next attempt, after that many that failed, the last one with an error. */
  Duration reconnectDelay(int failures, DragomanException error) {
    Duration doubled = reconnectDelay.multipliedBy(1L << Math.min(failures, MOST_DOUBLINGS));
    Duration delay = doubled.compareTo(LONGEST_DELAY) < 0 ? doubled : LONGEST_DELAY;
    double part = ThreadLocalRandom.current().nextDouble(0.5, 1);
    long least = error.retryAfter().orElse(Duration.ZERO).toNanos();
    return Duration.ofNanos(Math.max((long) (delay.toNanos() * part), least));
  }

  Settings withTimeout(Duration other) {
    return new Settings(target, other, reconnectTimeout, reconnectDelay, longestWait);
  }
}
