package dragoman;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import dragoman.v1.Choice;
import dragoman.v1.Completion;
import dragoman.v1.CompletionEvent;
import dragoman.v1.Delta;
import dragoman.v1.Finished;
import dragoman.v1.Retracted;
import dragoman.v1.Role;
import dragoman.v1.Started;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;

/** What a service sends. */
final class Events {
  private Events() {}

  static CompletionEvent started(long sequence, String operation) {
    return CompletionEvent.newBuilder()
        .setSequence(sequence)
        .setStarted(Started.newBuilder().setOperation(operation))
        .build();
  }

  static CompletionEvent delta(long sequence, String text) {
    return CompletionEvent.newBuilder()
        .setSequence(sequence)
        .setDelta(Delta.newBuilder().setText(text))
        .build();
  }

  static CompletionEvent retracted(long sequence, long from) {
    return CompletionEvent.newBuilder()
        .setSequence(sequence)
        .setRetracted(Retracted.newBuilder().setFromSequence(from))
        .build();
  }

  static CompletionEvent finished(long sequence, String text) {
    return CompletionEvent.newBuilder()
        .setSequence(sequence)
        .setFinished(Finished.newBuilder().setCompletion(completion(text)))
        .build();
  }

  static CompletionEvent failed(long sequence, Status error) {
    return CompletionEvent.newBuilder()
        .setSequence(sequence)
        .setFinished(Finished.newBuilder().setError(error))
        .build();
  }

  static Completion completion(String text) {
    return Completion.newBuilder()
        .setName("completions/1")
        .addChoices(Choice.newBuilder().setMessage(Prompts.message(Role.ROLE_ASSISTANT, text)))
        .build();
  }

  /** An error as the service makes them. */
  static Status error(Code code, String reason, boolean retryable) {
    ErrorInfo info =
        ErrorInfo.newBuilder()
            .setDomain("dragoman")
            .setReason(reason)
            .putMetadata("call_id", "call-1")
            .putMetadata("retryable", String.valueOf(retryable))
            .build();
    return Status.newBuilder()
        .setCode(code.value())
        .setMessage("It went wrong.")
        .addDetails(Any.pack(info))
        .build();
  }

  static Status withDelay(Status error, long seconds) {
    var delay = com.google.protobuf.Duration.newBuilder().setSeconds(seconds);
    return error.toBuilder()
        .addDetails(Any.pack(RetryInfo.newBuilder().setRetryDelay(delay).build()))
        .build();
  }

  static Status withField(Status error, String field, String description) {
    var violation =
        BadRequest.FieldViolation.newBuilder().setField(field).setDescription(description);
    return error.toBuilder()
        .addDetails(Any.pack(BadRequest.newBuilder().addFieldViolations(violation).build()))
        .build();
  }

  static StatusRuntimeException raised(Status error) {
    return StatusProto.toStatusRuntimeException(error);
  }

  /** A status that a proxy or gRPC itself makes. */
  static StatusRuntimeException bare(Code code) {
    return code.toStatus().withDescription("connection reset").asRuntimeException();
  }
}
