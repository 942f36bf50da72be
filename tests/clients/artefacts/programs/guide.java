import dragoman.Answers;
import dragoman.CompletionOperation;
import dragoman.CompletionStream;
import dragoman.DragomanClient;
import dragoman.DragomanException;
import dragoman.Prompts;
import dragoman.v1.Completion;
import dragoman.v1.CompletionEvent;
import dragoman.v1.CompletionRequest;
import dragoman.v1.DisconnectPolicy;
import java.io.File;
import java.time.Duration;

public class Guide {
  public static void main(String[] arguments) throws Exception {
    DragomanClient client =
        DragomanClient.builder()
            .target("completions.example.com:443")
            .apiKey("KEY")
            .tls(new File("ca.pem"))
            .build();

    DragomanClient hurried = client.withTimeout(Duration.ofSeconds(30));
    try (CompletionStream stream = hurried.stream(Prompts.request("local", "Count to five."))) {
      for (CompletionEvent event : stream) {
        System.out.print(event.getDelta().getText());
      }
    }
    System.out.println();

    try {
      client.complete(Prompts.request("nobody", "Hello!"));
    } catch (DragomanException error) {
      System.out.printf(
          "%s %s %d %s%n", error.code(), error.reason(), error.fields().size(), error.retryAfter());
    }

    CompletionOperation operation = client.start(Prompts.request("local", "Describe a lighthouse."));
    Completion completion = operation.result(Duration.ofMinutes(10));
    System.out.println(operation.name().split("/")[0] + " " + Answers.text(completion));
    operation.delete();

    CompletionRequest request =
        Prompts.request("local", "Name three fruits.").toBuilder()
            .setDisconnectPolicy(DisconnectPolicy.DISCONNECT_POLICY_CONTINUE)
            .build();
    String name = "";
    long last = 0;
    try (CompletionStream stream = client.stream(request)) {
      for (CompletionEvent event : stream) {
        name = event.hasStarted() ? event.getStarted().getOperation() : name;
        last = event.getSequence();
      }
      System.out.println(stream.text());
    }
    try (CompletionStream rest = client.operation(name).events(last - 1)) {
      for (CompletionEvent event : rest) {
        System.out.println(event.getEventCase());
      }
    }
    client.close();
  }
}
