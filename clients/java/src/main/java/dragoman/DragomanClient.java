package dragoman;

import com.google.longrunning.Operation;
import dragoman.v1.Completion;
import dragoman.v1.CompletionRequest;
import dragoman.v1.CompletionServiceGrpc;
import dragoman.v1.CountTokensResponse;
import dragoman.v1.GetModelRequest;
import dragoman.v1.Model;
import dragoman.v1.ModelServiceGrpc;
import dragoman.v1.StartCompletionRequest;
import dragoman.v1.Token;
import dragoman.v1.TokenizeRequest;
import io.grpc.Channel;
import java.time.Duration;
import java.util.List;
import java.util.UUID;

/**
 * Blocking client of a Dragoman service. It is thread-safe.
 *
 * <p>All methods throw {@link DragomanException} if a call fails. While the service is unavailable,
 * calls that are safe to repeat are tried up to four times. The deadline and the cancellation of
 * the current {@link io.grpc.Context} apply to every call, and interrupting the thread cancels its
 * call.
 */
public final class DragomanClient implements AutoCloseable {
  private final Transport transport;

  DragomanClient(Transport transport) {
    this.transport = transport;
  }

  /** The settings of a client, to be changed and built. */
  public static ClientBuilder builder() {
    return new ClientBuilder();
  }

  /** This client with another limit to how long a call may take. Both share the connection. */
  public DragomanClient withTimeout(Duration timeout) {
    return new DragomanClient(transport.withTimeout(timeout));
  }

  /** Returns the complete answer; {@link Answers#text} reads its text. */
  public Completion complete(CompletionRequest request) {
    return transport.call(CompletionServiceGrpc.getCreateCompletionMethod(), request);
  }

  /**
   * Returns the answer as events, while the model generates it.
   *
   * <p>With DISCONNECT_POLICY_CONTINUE or a {@code request_id}, the completion is an operation,
   * which the first event names: it continues when the stream is closed, and a stream that is
   * interrupted resumes. The client's timeout bounds the whole stream.
   */
  public CompletionStream stream(CompletionRequest request) {
    Settings settings = transport.settings();
    var progress = new StreamProgress(settings, settings.timeout(), "", 0);
    return new CompletionStream(
        transport, progress, CompletionServiceGrpc.getStreamCompletionMethod(), request);
  }

  /** Starts a long-running operation with the service's defaults. */
  public CompletionOperation start(CompletionRequest request) {
    return start(StartCompletionRequest.newBuilder().setRequest(request).build());
  }

  /**
   * Starts a long-running operation. If the request has no {@code request_id}, it gets one, so that
   * retries while the service is unavailable start only one operation.
   */
  public CompletionOperation start(StartCompletionRequest request) {
    StartCompletionRequest.Builder start = request.toBuilder();
    if (start.getRequest().getRequestId().isEmpty()) {
      start.getRequestBuilder().setRequestId(UUID.randomUUID().toString());
    }
    Operation operation =
        transport.call(CompletionServiceGrpc.getStartCompletionMethod(), start.build());
    return new CompletionOperation(transport, operation);
  }

  /** A handle for the operation with that name. Makes no call. */
  public CompletionOperation operation(String name) {
    return new CompletionOperation(transport, Operation.newBuilder().setName(name).build());
  }

  /** The models that the caller may use, ordered by name. Each iteration reads them anew. */
  public Iterable<Model> models() {
    return () -> new ModelPages(transport);
  }

  /** The model with that name or alias. */
  public Model model(String name) {
    var request = GetModelRequest.newBuilder().setName(name).build();
    return transport.call(ModelServiceGrpc.getGetModelMethod(), request);
  }

  /** Counts the tokens of the prompt, including the model's own template. */
  public CountTokensResponse countTokens(CompletionRequest request) {
    return transport.call(CompletionServiceGrpc.getCountTokensMethod(), request);
  }

  /** Splits a plain text into the tokens of a model. */
  public List<Token> tokenize(String model, String text) {
    return tokenize(TokenizeRequest.newBuilder().setModel(model).setText(text).build());
  }

  /** Splits the prompt of a request, as the model would see it, into tokens. */
  public List<Token> tokenize(CompletionRequest request) {
    return tokenize(TokenizeRequest.newBuilder().setRequest(request).build());
  }

  /** The connection, for stubs of other services; it sends the API key. */
  public Channel channel() {
    return transport.channel();
  }

  /** Closes the connection and cancels the calls in progress. */
  @Override
  public void close() {
    transport.close();
  }

  private List<Token> tokenize(TokenizeRequest request) {
    return transport.call(CompletionServiceGrpc.getTokenizeMethod(), request).getTokensList();
  }
}
