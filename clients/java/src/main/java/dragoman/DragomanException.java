package dragoman;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dragoman.v1.ErrorReason;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A call or an operation failed. */
public final class DragomanException extends RuntimeException {
  private static final long serialVersionUID = 1;
  private static final String DOMAIN = "dragoman";
  private static final String PREFIX = "ERROR_REASON_";

  private final com.google.rpc.Status status;
  private final boolean connectionLost;

  DragomanException(com.google.rpc.Status status, boolean connectionLost, Throwable cause) {
    super(text(status), cause);
    this.status = status;
    this.connectionLost = connectionLost;
  }

  DragomanException(Status.Code code, String message, boolean connectionLost, Throwable cause) {
    this(
        com.google.rpc.Status.newBuilder().setCode(code.value()).setMessage(message).build(),
        connectionLost,
        cause);
  }

  /** The gRPC status code. */
  public Status.Code code() {
    return Status.fromCodeValue(status.getCode()).getCode();
  }

  /**
   * Why the service refused or failed. ERROR_REASON_UNSPECIFIED if the failure did not come from
   * the service, for example if the connection was refused; UNRECOGNIZED if the service is newer
   * than this client, {@link #status} then has the reason's name.
   */
  public ErrorReason reason() {
    return reason(info(status));
  }

  /** The invalid fields: the path of each in the request, and what is allowed there. */
  public List<BadRequest.FieldViolation> fields() {
    return detail(status, BadRequest.getDefaultInstance()).getFieldViolationsList();
  }

  /** How long to wait before a retry; empty if the service did not say. */
  public Optional<Duration> retryAfter() {
    RetryInfo retry = detail(status, RetryInfo.getDefaultInstance());
    if (!retry.hasRetryDelay()) {
      return Optional.empty();
    }
    var delay = retry.getRetryDelay();
    return Optional.of(Duration.ofSeconds(delay.getSeconds(), delay.getNanos()));
  }

  /**
   * Id of the failed call in the service's log; empty if the failure did not come from the service.
   */
  public String callId() {
    return metadata().getOrDefault("call_id", "");
  }

  /**
   * {@code call_id}, {@code retryable} and, where they apply, {@code model}, {@code provider} and
   * {@code upstream_status}.
   */
  public Map<String, String> metadata() {
    return info(status).getMetadataMap();
  }

  /** All that the service said; without details if the failure did not come from the service. */
  public com.google.rpc.Status status() {
    return status;
  }

  /** Whether the same call may succeed a moment later. */
  public boolean isTransient() {
    boolean retryable = !"false".equals(metadata().get("retryable"));
    return connectionLost || (code() == Status.Code.UNAVAILABLE && retryable);
  }

  /** Whether the connection failed rather than the call: a proxy or gRPC itself made the status. */
  boolean isConnectionLost() {
    return connectionLost;
  }

  private static String text(com.google.rpc.Status status) {
    ErrorInfo info = info(status);
    String name = info.getReason();
    if (name.isEmpty()) {
      name = Status.fromCodeValue(status.getCode()).getCode().name();
    }
    String call = info.getMetadataMap().get("call_id");
    return status.getMessage() + " (" + name + (call == null ? "" : ", call " + call) + ")";
  }

  private static ErrorReason reason(ErrorInfo info) {
    if (info.getReason().isEmpty()) {
      return ErrorReason.ERROR_REASON_UNSPECIFIED;
    }
    try {
      return ErrorReason.valueOf(PREFIX + info.getReason());
    } catch (IllegalArgumentException unknown) {
      return ErrorReason.UNRECOGNIZED;
    }
  }

  private static ErrorInfo info(com.google.rpc.Status status) {
    ErrorInfo info = detail(status, ErrorInfo.getDefaultInstance());
    return info.getDomain().equals(DOMAIN) ? info : ErrorInfo.getDefaultInstance();
  }

  /** The detail of that type; the default one if there is none, or if a proxy truncated it. */
  private static <T extends Message> T detail(com.google.rpc.Status status, T none) {
    for (Any any : status.getDetailsList()) {
      if (any.is(none.getClass())) {
        try {
          @SuppressWarnings("unchecked")
          T found = (T) any.unpack(none.getClass());
          return found;
        } catch (InvalidProtocolBufferException truncated) {
          return none;
        }
      }
    }
    return none;
  }
}
