package dragoman;

import com.google.longrunning.Operation;
import com.google.longrunning.OperationsGrpc;
import com.google.longrunning.WaitOperationRequest;
import dragoman.v1.AttachCompletionRequest;
import dragoman.v1.Completion;
import dragoman.v1.CompletionEvent;
import dragoman.v1.CompletionRequest;
import dragoman.v1.CompletionServiceGrpc;
import dragoman.v1.ListModelsRequest;
import dragoman.v1.ListModelsResponse;
import dragoman.v1.ModelServiceGrpc;
import dragoman.v1.StartCompletionRequest;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.function.BiConsumer;

/** A service in this process that answers each call with the next step of a script. */
final class ScriptedService implements AutoCloseable {
  final List<Object> requests = Collections.synchronizedList(new ArrayList<>());
  final List<Metadata> headers = Collections.synchronizedList(new ArrayList<>());
  private final Queue<BiConsumer<Object, StreamObserver<Object>>> script = new ArrayDeque<>();
  private final String name = InProcessServerBuilder.generateName();
  private final Server server;

  ScriptedService() throws IOException {
    server =
        InProcessServerBuilder.forName(name)
            .addService(new Completions())
            .addService(new Models())
            .addService(new Operations())
            .intercept(new Headers())
            .build()
            .start();
  }

  /** Adds what the next call without an answer does. */
  ScriptedService then(BiConsumer<Object, StreamObserver<Object>> step) {
    script.add(step);
    return this;
  }

  /** The next call without an answer receives these messages and succeeds. */
  ScriptedService thenAnswer(Object... messages) {
    return then(
        (request, observer) -> {
          List.of(messages).forEach(observer::onNext);
          observer.onCompleted();
        });
  }

  /** The next call without an answer receives these messages and fails. */
  ScriptedService thenFail(Throwable error, Object... messages) {
    return then(
        (request, observer) -> {
          List.of(messages).forEach(observer::onNext);
          observer.onError(error);
        });
  }

  /** A client whose pauses are short. */
  DragomanClient client() {
    return builder().build(channel());
  }

  ClientBuilder builder() {
    return DragomanClient.builder()
        .apiKey("")
        .timeout(Duration.ofSeconds(20))
        .reconnectDelay(Duration.ofMillis(1));
  }

  InProcessChannelBuilder channel() {
    return InProcessChannelBuilder.forName(name);
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  @SuppressWarnings("unchecked")
  private <T> void answer(Object request, StreamObserver<T> observer) {
    requests.add(request);
    script.remove().accept(request, (StreamObserver<Object>) observer);
  }

  private final class Completions extends CompletionServiceGrpc.CompletionServiceImplBase {
    @Override
    public void createCompletion(CompletionRequest request, StreamObserver<Completion> observer) {
      answer(request, observer);
    }

    @Override
    public void streamCompletion(
        CompletionRequest request, StreamObserver<CompletionEvent> observer) {
      answer(request, observer);
    }

    @Override
    public void attachCompletion(
        AttachCompletionRequest request, StreamObserver<CompletionEvent> observer) {
      answer(request, observer);
    }

    @Override
    public void startCompletion(
        StartCompletionRequest request, StreamObserver<Operation> observer) {
      answer(request, observer);
    }
  }

  private final class Models extends ModelServiceGrpc.ModelServiceImplBase {
    @Override
    public void listModels(ListModelsRequest request, StreamObserver<ListModelsResponse> observer) {
      answer(request, observer);
    }
  }

  private final class Operations extends OperationsGrpc.OperationsImplBase {
    @Override
    public void waitOperation(WaitOperationRequest request, StreamObserver<Operation> observer) {
      answer(request, observer);
    }
  }

  private final class Headers implements ServerInterceptor {
    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, R> call, Metadata sent, ServerCallHandler<Q, R> next) {
      headers.add(sent);
      return next.startCall(call, sent);
    }
  }
}
