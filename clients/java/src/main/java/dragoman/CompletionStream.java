package dragoman;

import dragoman.v1.Completion;
import dragoman.v1.CompletionEvent;
import dragoman.v1.CompletionServiceGrpc;
import io.grpc.ClientCall;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * The events of a completion, which can be read once, by one thread. Close it, because closing a
 * stream early is what stops the model; that is safe from any thread.
 *
 * <p>{@code event.getDelta().getText()} is the next fragment of the answer, empty in other events.
 * A completion that fails throws its {@link DragomanException} after the {@code finished} event
 * that carries it; a stream that ends without {@code finished} throws one with UNAVAILABLE. After
 * {@link #close}, there are no further events.
 *
 * <p>A stream of an operation resumes by itself after the last event received if the connection or
 * the server is lost, on any server that the target leads to. An event {@code retracted}
 * invalidates the events from {@code getRetracted().getFromSequence()} on: an operation whose
 * worker was lost runs again, with other words.
 */
public final class CompletionStream
    implements Iterator<CompletionEvent>, Iterable<CompletionEvent>, AutoCloseable {
  private final Transport transport;
  private final StreamProgress progress;
  private final StreamedText text = new StreamedText();
  private ClientCall<?, CompletionEvent> call;
  private Iterator<CompletionEvent> events;
  private CompletionEvent next;
  private Completion completion;
  private DragomanException failure;
  private boolean ended;
  private volatile boolean closed;

  /** The events of a call that begins now. */
  <Q> CompletionStream(
      Transport transport,
      StreamProgress progress,
      MethodDescriptor<Q, CompletionEvent> method,
      Q request) {
    this.transport = transport;
    this.progress = progress;
    open(method, request);
  }

  /** The events of an operation, after those that {@code progress} has recorded. */
  static CompletionStream attach(Transport transport, StreamProgress progress) {
    return new CompletionStream(
        transport,
        progress,
        CompletionServiceGrpc.getAttachCompletionMethod(),
        progress.attachRequest());
  }

  /** Waits for the next event. False if the completion has succeeded, or the stream was closed. */
  @Override
  public boolean hasNext() {
    while (next == null && !ended && !closed) {
      advance();
    }
    if (failure != null && next == null) {
      throw failure;
    }
    return next != null && !closed;
  }

  @Override
  public CompletionEvent next() {
    if (!hasNext()) {
      throw new NoSuchElementException("The stream has ended");
    }
    CompletionEvent event = next;
    next = null;
    text.record(event);
    if (event.getFinished().hasCompletion()) {
      completion = event.getFinished().getCompletion();
    }
    return event;
  }

  /** This stream, for loops. */
  @Override
  public Iterator<CompletionEvent> iterator() {
    return this;
  }

  /** The text of the first choice in the events read so far, without what was retracted. */
  public String text() {
    return text.toString();
  }

  /**
   * Reads what is left and returns the complete answer. Throws the completion's error, or {@link
   * IllegalStateException} if the stream was closed before its end.
   */
  public Completion completion() {
    while (hasNext()) {
      next();
    }
    if (completion == null) {
      throw new IllegalStateException("The stream was closed before its end");
    }
    return completion;
  }

  /** Ends the call. That stops the model, unless the completion is an operation. */
  @Override
  public synchronized void close() {
    closed = true;
    call.cancel("The stream was closed", null);
  }

  private void advance() {
    DragomanException raised = null;
    try {
      if (events.hasNext()) {
        next = events.next();
        progress.record(next);
        return;
      }
    } catch (StatusRuntimeException error) {
      raised = transport.error(error);
    }
    if (closed) {
      return;
    }
    try {
      resume(raised);
    } catch (DragomanException error) {
      failure = error;
      ended = true;
    }
  }

  private void resume(DragomanException raised) {
    Optional<Duration> delay = progress.nextDelay(raised);
    if (delay.isEmpty()) {
      ended = true;
      return;
    }
    transport.sleep(delay.get());
    open(CompletionServiceGrpc.getAttachCompletionMethod(), progress.attachRequest());
  }

  private synchronized <Q> void open(MethodDescriptor<Q, CompletionEvent> method, Q request) {
    if (closed) {
      return;
    }
    ClientCall<Q, CompletionEvent> opened = transport.open(method, progress.beginCall());
    call = opened;
    events = ClientCalls.blockingServerStreamingCall(opened, request);
  }
}
