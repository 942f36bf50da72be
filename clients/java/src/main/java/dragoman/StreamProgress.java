package dragoman;

import dragoman.v1.AttachCompletionRequest;
import dragoman.v1.CompletionEvent;
import dragoman.v1.ErrorReason;
import dragoman.v1.Finished;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.Optional;

/**
 * Records the events of a completion and decides what follows when a call ends: AttachCompletion,
 * or an error. It does no I/O.
 *
 * <p>Only a completion that is an operation can be resumed: the one that it is made with, or the
 * one that {@code started} names.
 */
final class StreamProgress {
  // A call that lasted longer had reached the service, even if it delivered no event.
  private static final Duration STEADY = Duration.ofSeconds(30);

  private final Settings settings;
  private final Duration timeout;
  private final Timer end;
  private String operation;
  private long lastSequence;
  private Finished finished;
  private boolean hasEvents;
  private Timer givesUp;
  private Timer steady;
  private int delays;

  /** {@code timeout} bounds all calls together; null means no limit. */
  StreamProgress(Settings settings, Duration timeout, String operation, long afterSequence) {
    this.settings = settings;
    this.timeout = timeout;
    this.end = Timer.of(timeout);
    this.operation = operation;
    this.lastSequence = afterSequence;
    this.givesUp = Timer.of(settings.reconnectTimeout());
  }

  /** The request for the events after the last one recorded. */
  AttachCompletionRequest attachRequest() {
    return AttachCompletionRequest.newBuilder()
        .setName(operation)
        .setAfterSequence(lastSequence)
        .build();
  }

  /** The timeout of the call that begins now. */
  Duration beginCall() {
    steady = Timer.of(STEADY);
    return timeout == null ? settings.timeout() : end.left();
  }

  void record(CompletionEvent event) {
    hasEvents = true;
    hadContact();
    lastSequence = event.getSequence();
    if (!event.getStarted().getOperation().isEmpty()) {
      operation = event.getStarted().getOperation();
    }
    if (event.hasFinished()) {
      finished = event.getFinished();
    }
  }

  /**
   * The pause before the next call, after one that ended with {@code raised}, which is null if it
   * ended well; empty if the completion has ended. Throws the error of the completion, or that of
   * the call if another one cannot help.
   */
  Optional<Duration> nextDelay(DragomanException raised) {
    if (finished != null && finished.hasCompletion()) {
      return Optional.empty();
    }
    if (finished != null && finished.hasError()) {
      throw new DragomanException(finished.getError(), false, raised);
    }
    DragomanException error = errorOfCall(raised);
    if (!canResume(error)) {
      throw error;
    }
    return Optional.of(end.atMost(settings.reconnectDelay(delays++, error)));
  }

  private DragomanException errorOfCall(DragomanException raised) {
    if (raised != null && !(hasEvents && raised.isConnectionLost())) {
      return raised;
    }
    String details =
        raised == null
            ? settings.target() + " closed it"
            : "the connection was lost, " + Errors.details(raised);
    return operation.isEmpty()
        ? Errors.interruptedStream(details, raised)
        : Errors.interruptedEvents(operation, lastSequence, details, raised);
  }

  /** Whether only the call ended, and neither the completion nor the time that it may take. */
  private boolean canResume(DragomanException error) {
    boolean isTimeUp = error.code() == Code.DEADLINE_EXCEEDED;
    boolean answered = error.reason() != ErrorReason.ERROR_REASON_UNSPECIFIED;
    if ((isTimeUp && answered) || steady.isOver()) {
      hadContact();
    }
    boolean hasTime = !end.isOver() && !givesUp.isOver();
    return !operation.isEmpty() && (isTimeUp || error.isTransient()) && hasTime;
  }

  private void hadContact() {
    givesUp = Timer.of(settings.reconnectTimeout());
    delays = 0;
  }
}
