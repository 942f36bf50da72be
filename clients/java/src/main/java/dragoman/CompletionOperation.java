package dragoman;

import com.google.longrunning.CancelOperationRequest;
import com.google.longrunning.DeleteOperationRequest;
import com.google.longrunning.GetOperationRequest;
import com.google.longrunning.Operation;
import com.google.longrunning.OperationsGrpc;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import dragoman.v1.Completion;
import dragoman.v1.CompletionOperationMetadata;
import io.grpc.Status.Code;
import java.time.Duration;

/**
 * A long-running operation. It continues without its caller, even if the service restarts, and any
 * holder of the same API key can read it by its name. Use a handle in one thread at a time.
 */
public final class CompletionOperation {
  private final Transport transport;
  private Operation operation;

  CompletionOperation(Transport transport, Operation operation) {
    this.transport = transport;
    this.operation = operation;
  }

  /**
   * {@code operations/} followed by an id; {@link DragomanClient#operation} finds it by this name.
   */
  public String name() {
    return operation.getName();
  }

  /** The newest state that was read. Makes no call. */
  public Operation operation() {
    return operation;
  }

  /** Progress and properties in the newest state that was read. Makes no call. */
  public CompletionOperationMetadata metadata() {
    return unpack(operation.getMetadata(), CompletionOperationMetadata.getDefaultInstance());
  }

  /** Whether the operation has ended, successfully or not, in the newest state that was read. */
  public boolean isDone() {
    return operation.getDone();
  }

  /** Reads the newest state, unless the final state is known already, which never changes. */
  public CompletionOperation refresh() {
    if (!isDone()) {
      var request = GetOperationRequest.newBuilder().setName(name()).build();
      operation = transport.call(OperationsGrpc.getGetOperationMethod(), request);
    }
    return this;
  }

  /** Waits until the operation is done, see {@link #await(Duration)}. */
  public CompletionOperation await() {
    waitFor(null);
    return this;
  }

  /**
   * Waits until the operation is done or the time is over, and returns whether it is done. Waiting
   * continues while the service restarts, up to {@link ClientBuilder#reconnectTimeout} without
   * contact.
   */
  public boolean await(Duration timeout) {
    waitFor(timeout);
    return isDone();
  }

  /** Waits for the answer. Throws the operation's error. */
  public Completion result() {
    return await().completion();
  }

  /** Waits for the answer. Throws the operation's error, or DEADLINE_EXCEEDED if it is not done. */
  public Completion result(Duration timeout) {
    await(timeout);
    return completion();
  }

  /**
   * The stored events after that number, then new ones as they arrive, up to {@code finished}.
   * There is no time limit. Closing the stream does not stop the operation.
   */
  public CompletionStream events(long afterSequence) {
    return events(afterSequence, null);
  }

  /** As {@link #events(long)}. Throws DEADLINE_EXCEEDED after {@code timeout}. */
  public CompletionStream events(long afterSequence, Duration timeout) {
    var progress = new StreamProgress(transport.settings(), timeout, name(), afterSequence);
    return CompletionStream.attach(transport, progress);
  }

  /** Asks the service to stop the operation, which ends as CANCELLED unless it ended first. */
  public void cancel() {
    var request = CancelOperationRequest.newBuilder().setName(name()).build();
    transport.call(OperationsGrpc.getCancelOperationMethod(), request);
  }

  /** Deletes the operation and its answer. An operation that is still running is stopped. */
  public void delete() {
    var request = DeleteOperationRequest.newBuilder().setName(name()).build();
    transport.call(OperationsGrpc.getDeleteOperationMethod(), request);
  }

  private void waitFor(Duration timeout) {
    WaitProgress progress = new WaitProgress(name(), timeout, transport.settings());
    boolean isOver = isDone();
    while (!isOver) {
      try {
        operation =
            transport.callWhenReady(
                OperationsGrpc.getWaitOperationMethod(),
                progress.nextRequest(),
                progress.timeout());
        isOver = progress.isOver(operation);
      } catch (DragomanException error) {
        transport.sleep(progress.nextDelay(error));
      }
    }
  }

  private Completion completion() {
    if (!isDone()) {
      String state = metadata().getState().name().replaceFirst("^STATE_", "");
      String message = "%s is not done yet (%s). It continues: await it again, or cancel it.";
      throw new DragomanException(
          Code.DEADLINE_EXCEEDED, message.formatted(name(), state), false, null);
    }
    if (operation.hasError()) {
      throw new DragomanException(operation.getError(), false, null);
    }
    return unpack(operation.getResponse(), Completion.getDefaultInstance());
  }

  private static <T extends Message> T unpack(Any any, T empty) {
    try {
      @SuppressWarnings("unchecked")
      T message = any.is(empty.getClass()) ? (T) any.unpack(empty.getClass()) : empty;
      return message;
    } catch (InvalidProtocolBufferException malformed) {
      throw new DragomanException(
          Code.INTERNAL, "The operation holds a malformed message", false, malformed);
    }
  }
}
