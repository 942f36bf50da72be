package dragoman.contract;

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dragoman.ClientBuilder;
import dragoman.DragomanClient;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs the contract suite, see tests/clients/contract/README.md: {@code cases.json servers.json}.
 */
final class Runner {
  private static final int LIMIT = 60; // seconds
  private final JsonObject servers;
  private final ExecutorService threads =
      Executors.newCachedThreadPool(
          work -> {
            Thread thread = new Thread(work);
            thread.setDaemon(true); // a case that hangs must not keep the program from ending
            return thread;
          });

  private final Control control;

  private Runner(JsonObject servers) {
    this.servers = servers;
    HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    control = new Control(servers.get("control").getAsString(), http);
    // Loads the classes of the HTTP client, which takes longer than some of the answers that cases
    // disturb.
    control.awaitRunning(running -> true);
  }

  public static void main(String[] files) throws IOException {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    Runner runner = new Runner(read(files[1]).getAsJsonObject());
    for (JsonElement json : read(files[0]).getAsJsonArray()) {
      out.println(new Gson().toJson(runner.report(json.getAsJsonObject())));
    }
  }

  private JsonObject report(JsonObject json) {
    JsonObject line = new JsonObject();
    String action = json.get("action").getAsString();
    line.add("case", json.get("name"));
    line.addProperty("status", "passed");
    line.addProperty("message", "");
    if (!Actions.isKnown(action)) {
      line.addProperty("status", "unsupported");
      line.addProperty("message", "unknown action " + action);
      return line;
    }
    try {
      runWithin(json);
    } catch (Exception | AssertionError failed) {
      line.addProperty("status", "failed");
      line.addProperty("message", failed.toString());
    }
    return line;
  }

  private void runWithin(JsonObject json) throws Exception {
    var result =
        threads.submit(
            () -> {
              run(Case.of(json));
              return null;
            });
    try {
      result.get(LIMIT, TimeUnit.SECONDS);
    } catch (ExecutionException failed) {
      throw new AssertionError(failed.getCause().toString(), failed);
    } catch (TimeoutException hangs) {
      result.cancel(true);
      throw new AssertionError("it took more than " + LIMIT + " s", hangs);
    }
  }

  private void run(Case test) throws IOException {
    try (DragomanClient client = client(test)) {
      Checks.hold(test, Actions.run(test, client, control));
    }
  }

  private DragomanClient client(Case test) throws IOException {
    JsonObject server = servers.getAsJsonObject(test.server());
    ClientBuilder builder = DragomanClient.builder().target(server.get("target").getAsString());
    if (server.has("ca")) {
      builder.tls(new File(server.get("ca").getAsString()));
    }
    String key = server.has("key") ? server.get("key").getAsString() : "";
    return builder.apiKey(test.options().has("key") ? test.option("key") : key).build();
  }

  private static JsonElement read(String file) throws IOException {
    return JsonParser.parseString(Files.readString(Path.of(file)));
  }
}
