package dragoman.example;

import dragoman.CompletionStream;
import dragoman.DragomanClient;
import dragoman.Prompts;
import dragoman.v1.CompletionEvent;

/** Prints an answer while the model generates it; the arguments are the question. */
public final class StreamAnswer {
  private StreamAnswer() {}

  public static void main(String[] words) {
    String question =
        words.length == 0 ? "What is the capital of France?" : String.join(" ", words);
    try (DragomanClient client = DragomanClient.builder().build();
        CompletionStream stream = client.stream(Prompts.request("local", question))) {
      for (CompletionEvent event : stream) {
        System.out.print(event.getDelta().getText());
        System.out.flush();
      }
      System.out.println();
    }
  }
}
