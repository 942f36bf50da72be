package dragoman;

import dragoman.v1.CompletionEvent;
import java.util.NavigableMap;
import java.util.TreeMap;

/** The text of the first choice of a stream, by the numbers of the events that carried it. */
final class StreamedText {
  private final NavigableMap<Long, String> fragments = new TreeMap<>();

  void record(CompletionEvent event) {
    if (event.hasRetracted()) {
      fragments.tailMap(event.getRetracted().getFromSequence(), true).clear();
    } else if (event.getDelta().hasText() && event.getDelta().getChoiceIndex() == 0) {
      fragments.put(event.getSequence(), event.getDelta().getText());
    }
  }

  @Override
  public String toString() {
    return String.join("", fragments.values());
  }
}
