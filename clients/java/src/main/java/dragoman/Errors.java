package dragoman;

import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import java.util.Set;

/** Makes the exceptions of the client from what gRPC reports. */
final class Errors {
  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

  // Proxies end streams with INTERNAL or CANCELLED, and gRPC makes UNKNOWN of what a proxy answers
  // itself. The service attaches its reason to each of its errors.
  private static final Set<Code> LOST =
      Set.of(Code.UNAVAILABLE, Code.INTERNAL, Code.UNKNOWN, Code.CANCELLED);

  private Errors() {}

  /** The exception of a call to {@code target}, with the details that the service attached. */
  static DragomanException ofCall(StatusRuntimeException raised, String target, boolean left) {
    com.google.rpc.Status attached = attached(raised);
    if (attached != null) {
      return new DragomanException(attached, false, raised);
    }
    Code code = raised.getStatus().getCode();
    String details = details(raised.getStatus());
    boolean lost = LOST.contains(code);
    if (lost && left) {
      return new DragomanException(
          Code.CANCELLED, "This program ended the call: " + details, false, raised);
    }
    return new DragomanException(code, message(code, details, target), lost, raised);
  }

  /** The exception of a stream that ended before its answer was complete. */
  static DragomanException interruptedStream(String details, Throwable cause) {
    String message =
        "The stream ended without `finished`: %s. The answer is incomplete; send the request again.";
    return new DragomanException(Code.UNAVAILABLE, message.formatted(details), true, cause);
  }

  /** The exception of an operation's events that ended early; the operation itself continues. */
  static DragomanException interruptedEvents(
      String name, long last, String details, Throwable cause) {
    String message =
        "The events of %s ended after number %d: %s. "
            + "The operation continues; attach again after that number.";
    return new DragomanException(
        Code.UNAVAILABLE, message.formatted(name, last, details), true, cause);
  }

  /** What gRPC says of a failure, with its cause, which often is the only part that helps. */
  private static String details(Status status) {
    String details = status.getDescription() == null ? "no details" : status.getDescription();
    Throwable cause = status.getCause();
    boolean isExplained = cause != null && cause.getMessage() != null;
    return (isExplained ? details + ", " + cause.getMessage() : details).replaceFirst("[.!]+$", "");
  }

  /** What gRPC said of the failure of a call, without our own words around it. */
  static String details(DragomanException raised) {
    return details(Status.fromThrowable(raised.getCause()));
  }

  private static String message(Code code, String details, String target) {
    return switch (code) {
      case UNAVAILABLE ->
          "Cannot reach %s: %s. Check that the service runs there, that the address is right, and that both sides use TLS or neither does."
              .formatted(target, details);
      case DEADLINE_EXCEEDED ->
          "No answer from %s in time: %s. Allow more time, or check that the service can be reached."
              .formatted(target, details);
      case UNIMPLEMENTED ->
          "%s does not have this method: %s. Check that it runs a version of the service that fits this client."
              .formatted(target, details);
      default -> "%s answered: %s.".formatted(target, details);
    };
  }

  /** The status in the trailers; null if there is none, or if its code is not that of the call. */
  private static com.google.rpc.Status attached(StatusRuntimeException raised) {
    byte[] data = raised.getTrailers() == null ? null : raised.getTrailers().get(DETAILS);
    if (data == null) {
      return null;
    }
    try {
      com.google.rpc.Status status = com.google.rpc.Status.parseFrom(data);
      return status.getCode() == raised.getStatus().getCode().value() ? status : null;
    } catch (InvalidProtocolBufferException truncated) {
      return null; // code and message are still useful without details
    }
  }
}
