package dragoman;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dragoman.v1.CompletionRequest;
import dragoman.v1.ErrorReason;
import dragoman.v1.ListModelsRequest;
import dragoman.v1.ListModelsResponse;
import dragoman.v1.Model;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.Status.Code;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class ClientTest {
  private static final CompletionRequest REQUEST = Prompts.request("echo", "hi");
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

  private ScriptedService service;
  private DragomanClient client;

  @BeforeEach
  void serve() throws IOException {
    service = new ScriptedService();
    client = service.client();
  }

  @AfterEach
  void stop() {
    client.close();
    service.close();
  }

  @Test
  void theKeyTravelsWithEachCall() {
    service.thenAnswer(Events.completion("a")).thenAnswer(Events.finished(1, "b"));
    try (DragomanClient other = service.builder().apiKey(" KEY\n").build(service.channel())) {
      other.complete(REQUEST);
      other.stream(REQUEST).completion();
    }

    for (Metadata sent : service.headers) {
      assertEquals("Bearer KEY", sent.get(AUTHORIZATION));
    }
    assertEquals(2, service.headers.size());
  }

  @Test
  void withoutAKeyNoneIsSent() {
    service.thenAnswer(Events.completion("a"));

    client.complete(REQUEST);

    assertNull(service.headers.get(0).get(AUTHORIZATION));
  }

  @Test
  void aKeyWithOtherCharactersIsRefused() {
    for (String key : List.of("ключ", "two words", "line\nline")) {
      var builder = DragomanClient.builder();
      assertThrows(IllegalArgumentException.class, () -> builder.apiKey(key));
    }
  }

  @Test
  void callsAreRepeatedWhileTheServiceIsUnavailable() {
    service
        .thenFail(Events.bare(Code.UNAVAILABLE))
        .thenFail(Events.bare(Code.UNAVAILABLE))
        .thenAnswer(Events.completion("a"));

    assertEquals("a", Answers.text(client.complete(REQUEST)));
    assertEquals(3, service.requests.size());
  }

  @Test
  void modelsAreReadPageByPage() {
    service.thenAnswer(page("next", "a", "b")).thenAnswer(page("", "c"));

    Iterator<Model> models = client.models().iterator();
    models.next();
    models.next();
    int callsSoFar = service.requests.size();

    assertEquals("c", models.next().getName());
    assertFalse(models.hasNext());
    assertEquals(1, callsSoFar);
    assertEquals("next", ((ListModelsRequest) service.requests.get(1)).getPageToken());
  }

  @Test
  void anErrorHasAllThatTheServiceSaid() {
    var error = Events.error(Code.INVALID_ARGUMENT, "INVALID_FIELD", false);
    error = Events.withField(Events.withDelay(error, 3), "messages", "required");
    service.thenFail(Events.raised(error));

    var thrown = assertThrows(DragomanException.class, () -> client.complete(REQUEST));

    assertEquals(Code.INVALID_ARGUMENT, thrown.code());
    assertEquals(ErrorReason.ERROR_REASON_INVALID_FIELD, thrown.reason());
    assertEquals("messages", thrown.fields().get(0).getField());
    assertEquals(Optional.of(Duration.ofSeconds(3)), thrown.retryAfter());
    assertEquals("call-1", thrown.callId());
    assertFalse(thrown.isTransient());
    assertEquals("It went wrong. (INVALID_FIELD, call call-1)", thrown.getMessage());
  }

  @Test
  void aReasonOfANewerServiceIsUnrecognized() {
    service.thenFail(Events.raised(Events.error(Code.ABORTED, "FROM_THE_FUTURE", false)));

    var thrown = assertThrows(DragomanException.class, () -> client.complete(REQUEST));

    assertEquals(ErrorReason.UNRECOGNIZED, thrown.reason());
    assertTrue(thrown.getMessage().contains("FROM_THE_FUTURE"));
  }

  @Test
  void detailsThatAreBrokenOrOfAnotherStatusAreLeftOut() {
    byte[] other = Events.error(Code.INTERNAL, "INTERNAL", false).toByteArray();
    for (byte[] details : List.of(new byte[] {1, 2, 3}, other)) {
      Metadata trailers = new Metadata();
      trailers.put(DETAILS, details);
      service.thenFail(
          Status.ABORTED.withDescription("reset by a proxy").asRuntimeException(trailers));

      var thrown = assertThrows(DragomanException.class, () -> client.complete(REQUEST));

      assertEquals(Code.ABORTED, thrown.code());
      assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, thrown.reason());
      assertTrue(thrown.getMessage().contains("reset by a proxy"));
    }
  }

  @Test
  void theTimeoutIsTheDeadlineOfTheCall() {
    service.then((request, observer) -> {});

    var thrown =
        assertThrows(
            DragomanException.class,
            () -> client.withTimeout(Duration.ofMillis(50)).complete(REQUEST));

    assertEquals(Code.DEADLINE_EXCEEDED, thrown.code());
  }

  @Test
  void interruptingTheThreadCancelsItsCall() {
    Thread caller = Thread.currentThread();
    service.then((request, observer) -> caller.interrupt());

    var thrown = assertThrows(DragomanException.class, () -> client.complete(REQUEST));

    assertEquals(Code.CANCELLED, thrown.code());
    assertTrue(Thread.interrupted());
    assertFalse(thrown.isTransient());
  }

  @Test
  void aClosedClientSaysSo() {
    client.close();

    var thrown = assertThrows(DragomanException.class, () -> client.complete(REQUEST));

    assertEquals(Code.CANCELLED, thrown.code());
  }

  @Test
  void theServiceConfigIsThePublishedOne() {
    Map<String, Object> config = ServiceConfig.load();

    assertTrue(config.containsKey("methodConfig"));
    assertTrue(config.toString().contains("AttachCompletion"), config.toString());
  }

  private static ListModelsResponse page(String nextToken, String... names) {
    var page = ListModelsResponse.newBuilder().setNextPageToken(nextToken);
    for (String name : names) {
      page.addModels(Model.newBuilder().setName(name));
    }
    return page.build();
  }
}
