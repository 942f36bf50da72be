package dragoman.contract;

import static java.util.Map.entry;

import dragoman.CompletionOperation;
import dragoman.CompletionStream;
import dragoman.DragomanClient;
import dragoman.DragomanException;
import dragoman.v1.Completion;
import dragoman.v1.CompletionEvent;
import dragoman.v1.Model;
import dragoman.v1.Token;
import io.grpc.Status.Code;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.StreamSupport;

/** The actions of the contract suite, with the client as its users have it. */
final class Actions {
  private static final Map<String, Function<Actions, Outcome>> ACTIONS =
      Map.ofEntries(
          entry("complete", Actions::complete),
          entry("stream", Actions::stream),
          entry("operation", Actions::operation),
          entry("attach", Actions::attach),
          entry("resume", Actions::resume),
          entry("retracted", Actions::retracted),
          entry("cancel", Actions::cancel),
          entry("deadline", Actions::deadline),
          entry("error", Actions::error),
          entry("blocked", Actions::blocked),
          entry("health", Actions::health),
          entry("paging", Actions::paging),
          entry("tokens", Actions::tokens));

  private final Case test;
  private final DragomanClient client;
  private final Control control;

  private Actions(Case test, DragomanClient client, Control control) {
    this.test = test;
    this.client = client;
    this.control = control;
  }

  static boolean isKnown(String action) {
    return ACTIONS.containsKey(action);
  }

  static Outcome run(Case test, DragomanClient client, Control control) {
    DragomanClient limited = client.withTimeout(test.timeout());
    return ACTIONS.get(test.action()).apply(new Actions(test, limited, control));
  }

  private Outcome complete() {
    Set<String> names = new HashSet<>();
    Completion completion = null;
    for (int number = test.number("times", 1); number > 0; number--) {
      completion = client.complete(test.request());
      names.add(completion.getName());
    }
    Outcome.require(names.size() == 1, "the same request had the answers " + names);
    return Outcome.of(completion);
  }

  private Outcome stream() {
    return read(client.stream(test.request()), Map.of());
  }

  private Outcome operation() {
    CompletionOperation operation = client.start(test.request());
    String name = operation.name();
    operation.await(test.timeout());
    Outcome.require(name.startsWith("operations/"), "the operation is named " + name);
    Outcome.require(operation.name().equals(name), "the name changed to " + operation.name());
    Completion completion = operation.result(test.timeout());
    if (test.isSet("delete")) {
      operation.delete();
      var gone = Outcome.failing(() -> client.operation(name).await(test.timeout()));
      Outcome.require(gone.failure().code() == Code.NOT_FOUND, "deleted, but " + gone.failure());
    }
    return Outcome.of(completion);
  }

  private Outcome attach() {
    CompletionOperation operation = client.start(test.request());
    if (!test.isSet("running")) {
      operation.await(test.timeout());
    }
    Outcome outcome = read(operation.events(0, test.timeout()), Map.of());
    int after = test.number("after_sequence", 0);
    List<CompletionEvent> later = new ArrayList<>();
    try (CompletionStream events = operation.events(after, test.timeout())) {
      events.forEach(later::add);
    }
    List<CompletionEvent> right = outcome.events.subList(after, outcome.events.size());
    Outcome.require(later.equals(right), "other events after number " + after);
    return outcome;
  }

  private Outcome resume() {
    int every = test.number("cut_after", 0);
    Map<Integer, String> cuts = new HashMap<>();
    for (int number = test.number("cuts", 1); number > 0; number--) {
      cuts.put(number * every, "cut");
    }
    return read(via(), cuts);
  }

  private Outcome retracted() {
    Outcome outcome = read(via(), Map.of(test.number("kill_after", 0), "kill-worker"));
    Outcome.require(outcome.isRetracted(), "nothing was retracted");
    return outcome;
  }

  private Outcome cancel() {
    Outcome outcome =
        switch (test.option("via")) {
          case "complete" -> cancelComplete();
          case "stream" -> cancelStream();
          default -> cancelOperation();
        };
    control.awaitRunning(running -> running == 0);
    return outcome;
  }

  /** Interrupts the thread that waits for the answer, which is how Java ends blocking calls. */
  private Outcome cancelComplete() {
    Outcome outcome = new Outcome();
    Thread caller =
        new Thread(
            () -> outcome.error = Outcome.failing(() -> client.complete(test.request())).error);
    caller.start();
    control.awaitRunning(running -> running >= 1);
    caller.interrupt();
    try {
      caller.join(TimeUnit.SECONDS.toMillis(5));
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    Outcome.require(outcome.error != null, "the call was not cancelled");
    return outcome;
  }

  private Outcome cancelStream() {
    try (CompletionStream events = client.stream(test.request())) {
      int deltas = 0;
      while (deltas < test.number("cancel_after", 0)) {
        deltas += events.next().getDelta().hasText() ? 1 : 0;
      }
      control.awaitRunning(running -> running >= 1);
    }
    return new Outcome();
  }

  private Outcome cancelOperation() {
    CompletionOperation operation = client.start(test.request());
    control.awaitRunning(running -> running >= 1);
    operation.cancel();
    return Outcome.failing(() -> operation.result(test.timeout()));
  }

  private Outcome deadline() {
    Outcome outcome = error();
    control.awaitRunning(running -> running == 0);
    return outcome;
  }

  private Outcome error() {
    return switch (test.option("via")) {
      case "stream" -> stream();
      case "operation" -> {
        CompletionOperation operation = client.start(test.request());
        operation.await(test.timeout());
        yield Outcome.failing(() -> operation.result(test.timeout()));
      }
      case "start" -> Outcome.failing(() -> client.start(test.request()));
      case "count_tokens" -> Outcome.failing(() -> client.countTokens(test.request()));
      case "tokenize" -> Outcome.failing(() -> client.tokenize(test.request()));
      default -> Outcome.failing(() -> client.complete(test.request()));
    };
  }

  private Outcome blocked() {
    return switch (test.option("via")) {
      case "complete" -> complete();
      case "stream" -> stream();
      default -> operation();
    };
  }

  private Outcome health() {
    Outcome outcome = new Outcome();
    var request = HealthCheckRequest.newBuilder().setService(test.option("service")).build();
    var stub = HealthGrpc.newBlockingStub(client.channel());
    outcome.health =
        stub.withDeadlineAfter(test.timeout().toMillis(), TimeUnit.MILLISECONDS)
            .check(request)
            .getStatus()
            .name();
    return outcome;
  }

  private Outcome paging() {
    Outcome outcome = new Outcome();
    outcome.models =
        StreamSupport.stream(client.models().spliterator(), false).map(Model::getName).toList();
    return outcome;
  }

  private Outcome tokens() {
    Outcome outcome = new Outcome();
    if (test.options().has("text")) {
      List<Token> tokens = client.tokenize(test.request().getModel(), test.option("text"));
      outcome.tokens = tokens.stream().map(Token::getText).toList();
    } else {
      outcome.inputTokens = client.countTokens(test.request()).getInputTokens();
    }
    return outcome;
  }

  /** A stream, or the events of an operation that is started. */
  private CompletionStream via() {
    return test.option("via").equals("stream")
        ? client.stream(test.request())
        : client.start(test.request()).events(0, test.timeout());
  }

  /** Reads to the end. After that many text deltas, it posts what {@code orders} says. */
  private Outcome read(CompletionStream stream, Map<Integer, String> orders) {
    Outcome outcome = new Outcome();
    outcome.isStreamed = true;
    int deltas = 0;
    try (stream) {
      for (CompletionEvent event : stream) {
        outcome.events.add(event);
        if (event.getDelta().hasText() && orders.containsKey(++deltas)) {
          control.post(orders.get(deltas));
        }
      }
      outcome.completion = stream.completion();
    } catch (DragomanException error) {
      outcome.error = error;
    }
    outcome.streamedText = stream.text();
    outcome.checkStream();
    return outcome;
  }
}
