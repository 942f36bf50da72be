package dragoman;

import dragoman.v1.Choice;
import dragoman.v1.Completion;
import dragoman.v1.Part;
import dragoman.v1.ToolCall;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Reads the first choice of a completion, which is the only one unless the request asks for more.
 */
public final class Answers {
  private Answers() {}

  /** Its text, without reasoning, refusals and tool calls; empty if there is no text. */
  public static String text(Completion completion) {
    return first(completion).getMessage().getPartsList().stream()
        .map(Part::getText)
        .collect(Collectors.joining());
  }

  /** The tool calls that it requests, in order. */
  public static List<ToolCall> toolCalls(Completion completion) {
    return first(completion).getMessage().getPartsList().stream()
        .filter(Part::hasToolCall)
        .map(Part::getToolCall)
        .toList();
  }

  private static Choice first(Completion completion) {
    return completion.getChoicesCount() == 0
        ? Choice.getDefaultInstance()
        : completion.getChoices(0);
  }
}
