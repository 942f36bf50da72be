package dragoman.contract;

import static java.util.Map.entry;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.rpc.BadRequest.FieldViolation;
import dragoman.Answers;
import dragoman.v1.SafetyRating;
import dragoman.v1.Usage;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.stream.StreamSupport;

/** Holds the outcome of a case against what it expects. */
final class Checks {
  private static final int LONGEST = 200; // characters of a value in a message

  /** Throws AssertionError if the outcome is not what {@code wanted} says. */
  private interface Check {
    void hold(Case test, Outcome outcome, JsonElement wanted);
  }

  private static final Map<String, Check> CHECKS =
      Map.ofEntries(
          entry("text", (test, outcome, wanted) -> text(outcome, wanted.getAsString())),
          entry("echo", (test, outcome, wanted) -> text(outcome, test.prompt())),
          entry(
              "finish_reason",
              (test, outcome, wanted) ->
                  same(outcome.choice().getFinishReason().name(), wanted.getAsString())),
          entry("usage", (test, outcome, wanted) -> usage(outcome, wanted.getAsJsonObject())),
          entry(
              "min_deltas",
              (test, outcome, wanted) -> atLeast(outcome.deltas().size(), wanted.getAsInt())),
          entry(
              "first_deltas",
              (test, outcome, wanted) -> firstDeltas(outcome.deltas(), texts(wanted))),
          entry(
              "logprobs",
              (test, outcome, wanted) ->
                  same(outcome.choice().getLogprobsCount(), wanted.getAsInt())),
          entry(
              "min_bytes",
              (test, outcome, wanted) ->
                  atLeast(outcome.completion().getSerializedSize(), wanted.getAsInt())),
          entry("blocked", (test, outcome, wanted) -> blocked(outcome, wanted.getAsString())),
          entry(
              "code",
              (test, outcome, wanted) ->
                  same(outcome.failure().code().name(), wanted.getAsString())),
          entry("reason", (test, outcome, wanted) -> same(reason(outcome), wanted.getAsString())),
          entry(
              "fields",
              (test, outcome, wanted) ->
                  same(fields(outcome), texts(wanted).stream().sorted().toList())),
          entry(
              "retry_after",
              (test, outcome, wanted) ->
                  same(
                      outcome
                          .failure()
                          .retryAfter()
                          .map(delay -> delay.toMillis() / 1000.0)
                          .orElse(null),
                      wanted.getAsDouble())),
          entry(
              "call_id",
              (test, outcome, wanted) ->
                  same(!outcome.failure().callId().isEmpty(), wanted.getAsBoolean())),
          entry("status", (test, outcome, wanted) -> same(outcome.health, wanted.getAsString())),
          entry("models", (test, outcome, wanted) -> models(outcome.models, wanted.getAsInt())),
          entry(
              "input_tokens",
              (test, outcome, wanted) -> same(outcome.inputTokens, wanted.getAsLong())),
          entry("tokens", (test, outcome, wanted) -> same(outcome.tokens, texts(wanted))));

  private Checks() {}

  static void hold(Case test, Outcome outcome) {
    Outcome.require(
        outcome.error == null || test.expect().has("code"), "it failed: " + outcome.error);
    test.expect()
        .entrySet()
        .forEach(
            expected -> {
              Check check = CHECKS.get(expected.getKey());
              Outcome.require(check != null, "unknown expectation " + expected.getKey());
              try {
                check.hold(test, outcome, expected.getValue());
              } catch (AssertionError error) {
                throw new AssertionError(expected.getKey() + ": " + error.getMessage(), error);
              }
            });
  }

  private static void text(Outcome outcome, String wanted) {
    same(Answers.text(outcome.completion()), wanted);
    if (outcome.isStreamed) {
      same(outcome.streamedText, wanted);
    }
  }

  private static void usage(Outcome outcome, JsonObject wanted) {
    Usage usage = outcome.completion().getUsage();
    wanted
        .entrySet()
        .forEach(
            value -> {
              var field = Usage.getDescriptor().findFieldByName(value.getKey());
              same(usage.getField(field).toString(), value.getValue().getAsString());
            });
  }

  private static void firstDeltas(List<String> deltas, List<String> wanted) {
    same(deltas.subList(0, Math.min(deltas.size(), wanted.size())), wanted);
  }

  private static void blocked(Outcome outcome, String category) {
    var safety = outcome.choice().getSafety();
    same(safety.getBlocked(), true);
    same(
        safety.getRatingsList().stream()
            .filter(SafetyRating::getBlocked)
            .map(SafetyRating::getCategory)
            .toList(),
        List.of(category));
  }

  private static String reason(Outcome outcome) {
    String name = outcome.failure().reason().name().replaceFirst("^ERROR_REASON_", "");
    return name.equals("UNSPECIFIED") ? "" : name;
  }

  private static List<String> fields(Outcome outcome) {
    return outcome.failure().fields().stream().map(FieldViolation::getField).sorted().toList();
  }

  private static void models(List<String> names, int wanted) {
    same(names.size(), wanted);
    same(names, List.copyOf(new TreeSet<>(names)));
  }

  private static List<String> texts(JsonElement array) {
    return StreamSupport.stream(array.getAsJsonArray().spliterator(), false)
        .map(JsonElement::getAsString)
        .toList();
  }

  private static void atLeast(int found, int least) {
    Outcome.require(found >= least, "expected at least " + least + ", found " + found);
  }

  private static void same(Object found, Object wanted) {
    Outcome.require(
        Objects.equals(found, wanted), "expected " + shown(wanted) + ", found " + shown(found));
  }

  private static String shown(Object value) {
    String text = String.valueOf(value);
    return text.length() <= LONGEST
        ? text
        : text.substring(0, LONGEST) + "… (" + text.length() + " characters)";
  }
}
