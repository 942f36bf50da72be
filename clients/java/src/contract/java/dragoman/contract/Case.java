package dragoman.contract;

import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import dragoman.v1.CompletionRequest;
import dragoman.v1.Part;
import java.time.Duration;
import java.util.Set;
import java.util.UUID;

/** One case of cases.json. */
record Case(
    String name,
    String action,
    String server,
    JsonObject options,
    JsonObject expect,
    CompletionRequest request) {
  private static final Set<String> OPTIONS =
      Set.of(
          "after_sequence",
          "cancel_after",
          "cut_after",
          "cuts",
          "delete",
          "key",
          "kill_after",
          "repeat",
          "running",
          "service",
          "text",
          "timeout",
          "times",
          "via");
  private static final double LIMIT = 60; // seconds

  static Case of(JsonObject json) throws InvalidProtocolBufferException {
    JsonObject options = object(json, "options");
    Outcome.require(OPTIONS.containsAll(options.keySet()), "unknown options: " + options.keySet());
    return new Case(
        json.get("name").getAsString(),
        json.get("action").getAsString(),
        json.get("server").getAsString(),
        options,
        object(json, "expect"),
        request(object(json, "request"), options));
  }

  String option(String key) {
    return options.get(key).getAsString();
  }

  int number(String key, int otherwise) {
    return options.has(key) ? options.get(key).getAsInt() : otherwise;
  }

  boolean isSet(String key) {
    return options.has(key) && options.get(key).getAsBoolean();
  }

  Duration timeout() {
    double seconds = options.has("timeout") ? options.get("timeout").getAsDouble() : LIMIT;
    return Duration.ofMillis(Math.round(seconds * 1000));
  }

  /** The text of the last message of the request as it is sent. */
  String prompt() {
    return request.getMessages(request.getMessagesCount() - 1).getParts(0).getText();
  }

  private static JsonObject object(JsonObject json, String key) {
    return json.has(key) ? json.getAsJsonObject(key) : new JsonObject();
  }

  private static CompletionRequest request(JsonObject json, JsonObject options)
      throws InvalidProtocolBufferException {
    CompletionRequest.Builder request = CompletionRequest.newBuilder();
    JsonFormat.parser().merge(json.toString(), request);
    if (!request.getRequestId().isEmpty()) {
      request.setRequestId(request.getRequestId() + "-" + UUID.randomUUID());
    }
    if (options.has("repeat")) {
      Part.Builder last =
          request.getMessagesBuilder(request.getMessagesCount() - 1).getPartsBuilder(0);
      last.setText(last.getText().repeat(options.get("repeat").getAsInt()));
    }
    return request.build();
  }
}
