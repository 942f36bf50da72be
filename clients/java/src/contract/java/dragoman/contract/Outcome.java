package dragoman.contract;

import dragoman.Answers;
import dragoman.DragomanException;
import dragoman.v1.Choice;
import dragoman.v1.Completion;
import dragoman.v1.CompletionEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/** What the action of a case led to. */
final class Outcome {
  final List<CompletionEvent> events = new ArrayList<>();
  boolean isStreamed;
  String streamedText = "";
  Completion completion;
  DragomanException error;
  String health = "";
  List<String> models = List.of();
  long inputTokens;
  List<String> tokens = List.of();

  static Outcome of(Completion completion) {
    Outcome outcome = new Outcome();
    outcome.completion = completion;
    return outcome;
  }

  /** The outcome of something that has to fail. */
  static Outcome failing(Runnable call) {
    Outcome outcome = new Outcome();
    try {
      call.run();
    } catch (DragomanException error) {
      outcome.error = error;
      return outcome;
    }
    throw new AssertionError("it did not fail");
  }

  static void require(boolean condition, String otherwise) {
    if (!condition) {
      throw new AssertionError(otherwise);
    }
  }

  Completion completion() {
    require(completion != null, "there is no completion");
    return completion;
  }

  Choice choice() {
    return completion().getChoices(0);
  }

  DragomanException failure() {
    require(error != null, "it did not fail");
    return error;
  }

  /** The text deltas of the first choice. */
  List<String> deltas() {
    require(isStreamed, "nothing was streamed");
    return events.stream()
        .filter(event -> event.getDelta().hasText() && event.getDelta().getChoiceIndex() == 0)
        .map(event -> event.getDelta().getText())
        .toList();
  }

  boolean isRetracted() {
    return events.stream().anyMatch(CompletionEvent::hasRetracted);
  }

  /** The numbers have no gap, and the text is that of the final completion. */
  void checkStream() {
    List<Long> numbers = events.stream().map(CompletionEvent::getSequence).toList();
    List<Long> right =
        LongStream.rangeClosed(1, numbers.size()).boxed().collect(Collectors.toList());
    require(numbers.equals(right), "the numbers of the events are " + numbers);
    if (completion != null) {
      String text = Answers.text(completion);
      require(streamedText.equals(text), "deltas " + streamedText + ", completion " + text);
    }
  }
}
