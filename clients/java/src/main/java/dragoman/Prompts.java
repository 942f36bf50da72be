package dragoman;

import dragoman.v1.CompletionRequest;
import dragoman.v1.Message;
import dragoman.v1.Part;
import dragoman.v1.Role;

/** Short forms of the requests that are made most often. */
public final class Prompts {
  private Prompts() {}

  /** A request to that model with one message of a user; {@code toBuilder()} adds to it. */
  public static CompletionRequest request(String model, String text) {
    return CompletionRequest.newBuilder()
        .setModel(model)
        .addMessages(message(Role.ROLE_USER, text))
        .build();
  }

  /** A message that consists of a text. */
  public static Message message(Role role, String text) {
    return Message.newBuilder().setRole(role).addParts(Part.newBuilder().setText(text)).build();
  }
}
