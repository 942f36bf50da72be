package dragoman;

import com.google.longrunning.Operation;
import com.google.longrunning.WaitOperationRequest;
import dragoman.v1.ErrorReason;
import io.grpc.Status.Code;
import java.time.Duration;

/**
 * Decides which calls wait for an operation, and what follows one that failed. It does no I/O.
 *
 * <p>A long wait becomes several calls; at least one is made, which returns the newest state.
 */
final class WaitProgress {
  // Of a WaitOperation that no proxy takes for a dead one.
  private static final Duration SHORT_WAIT = Duration.ofSeconds(2);
  // That the answer to a WaitOperation may be late.
  private static final Duration SLACK = Duration.ofSeconds(10);

  private final String name;
  private final Settings settings;
  private final Timer end;
  private Timer givesUp;
  private Duration longest;
  private Duration asked = Duration.ZERO;
  private long callBegan;
  private int failures;

  /** {@code timeout} null means no limit. */
  WaitProgress(String name, Duration timeout, Settings settings) {
    this.name = name;
    this.settings = settings;
    this.end = Timer.of(timeout);
    this.longest = settings.longestWait();
    this.givesUp = Timer.of(settings.reconnectTimeout());
  }

  /** The request of the call that is due. */
  WaitOperationRequest nextRequest() {
    callBegan = System.nanoTime();
    asked = end.atMost(longest);
    var timeout =
        com.google.protobuf.Duration.newBuilder()
            .setSeconds(asked.getSeconds())
            .setNanos(asked.getNano());
    return WaitOperationRequest.newBuilder().setName(name).setTimeout(timeout).build();
  }

  /** The timeout of that call. */
  Duration timeout() {
    return asked.plus(SLACK);
  }

  /** Whether no further call follows one that returned {@code operation}. */
  boolean isOver(Operation operation) {
    givesUp = Timer.of(settings.reconnectTimeout());
    failures = 0;
    return operation.getDone() || end.isOver();
  }

  /** The pause before the next call, after one that failed. Throws if another cannot help. */
  Duration nextDelay(DragomanException error) {
    boolean answered = error.reason() != ErrorReason.ERROR_REASON_UNSPECIFIED;
    boolean isSilent = error.code() == Code.DEADLINE_EXCEEDED && !answered;
    shorten();
    if (!(error.isTransient() || isSilent) || end.isOver() || givesUp.isOver()) {
      throw error;
    }
    return end.atMost(settings.reconnectDelay(failures++, error));
  }

  /** Makes the next calls shorter, because a proxy may have ended a long one. */
  private void shorten() {
    Duration half = Duration.ofNanos((System.nanoTime() - callBegan) / 2);
    Duration shorter = half.compareTo(SHORT_WAIT) > 0 ? half : SHORT_WAIT;
    longest = shorter.compareTo(longest) < 0 ? shorter : longest;
  }
}
