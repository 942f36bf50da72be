package dragoman.contract;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.function.IntPredicate;

/** The HTTP server by which a case disturbs and observes the services. */
record Control(String base, HttpClient http) {
  private static final Duration STOPS_WITHIN = Duration.ofSeconds(5);

  /** Orders "cut" or "kill-worker", and returns when it is done. */
  void post(String what) {
    send(HttpRequest.newBuilder().POST(HttpRequest.BodyPublishers.noBody()), what);
  }

  /** Returns as soon as the condition is true of the number of completions at providers. */
  void awaitRunning(IntPredicate condition) {
    long end = System.nanoTime() + STOPS_WITHIN.toNanos();
    int running;
    do {
      running = Integer.parseInt(send(HttpRequest.newBuilder().GET(), "running").strip());
    } while (!condition.test(running) && System.nanoTime() < end);
    Outcome.require(
        condition.test(running),
        running + " completions run after " + STOPS_WITHIN.toSeconds() + " s");
  }

  private String send(HttpRequest.Builder request, String path) {
    try {
      HttpResponse<String> answer =
          http.send(
              request.uri(URI.create(base + "/" + path)).build(),
              HttpResponse.BodyHandlers.ofString());
      Outcome.require(
          answer.statusCode() == 200, path + ": " + answer.statusCode() + " " + answer.body());
      return answer.body();
    } catch (IOException failed) {
      throw new AssertionError(path + ": " + failed, failed);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new AssertionError(path + ": the case took too long", interrupted);
    }
  }
}
