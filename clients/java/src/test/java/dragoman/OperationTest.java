package dragoman;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.longrunning.Operation;
import com.google.longrunning.WaitOperationRequest;
import com.google.protobuf.Any;
import dragoman.v1.CompletionOperationMetadata;
import dragoman.v1.ErrorReason;
import dragoman.v1.StartCompletionRequest;
import io.grpc.Status.Code;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class OperationTest {
  private static final Operation RUNNING =
      Operation.newBuilder()
          .setName("operations/1")
          .setMetadata(
              Any.pack(
                  CompletionOperationMetadata.newBuilder()
                      .setState(CompletionOperationMetadata.State.STATE_RUNNING)
                      .build()))
          .build();
  private static final Operation DONE =
      RUNNING.toBuilder().setDone(true).setResponse(Any.pack(Events.completion("done"))).build();

  private ScriptedService service;
  private DragomanClient client;

  @BeforeEach
  void serve() throws IOException {
    service = new ScriptedService();
    client = service.builder().longestWait(Duration.ofSeconds(7)).build(service.channel());
  }

  @AfterEach
  void stop() {
    client.close();
    service.close();
  }

  @Test
  void everyStartHasARequestId() {
    service.thenAnswer(RUNNING).thenAnswer(RUNNING).thenAnswer(RUNNING);

    client.start(Prompts.request("echo", "hi"));
    client.start(Prompts.request("echo", "hi"));
    client.start(Prompts.request("echo", "hi").toBuilder().setRequestId("mine").build());

    assertFalse(requestId(0).isEmpty());
    assertFalse(requestId(0).equals(requestId(1)));
    assertEquals("mine", requestId(2));
  }

  @Test
  void aLongWaitConsistsOfSeveralCalls() {
    service.thenAnswer(RUNNING).thenAnswer(RUNNING).thenAnswer(DONE);

    assertEquals("done", Answers.text(client.operation("operations/1").result()));
    assertEquals(3, service.requests.size());
    assertEquals(7, ((WaitOperationRequest) service.requests.get(0)).getTimeout().getSeconds());
  }

  @Test
  void waitingContinuesWhileTheServiceRestarts() {
    service
        .thenFail(Events.bare(Code.INTERNAL))
        .thenFail(Events.raised(Events.error(Code.UNAVAILABLE, "SHUTTING_DOWN", true)))
        .thenAnswer(DONE);

    assertTrue(client.operation("operations/1").await(Duration.ofSeconds(20)));
  }

  @Test
  void waitingEndsWithItsTime() {
    service.thenAnswer(RUNNING);
    CompletionOperation operation = client.operation("operations/1");

    var thrown = assertThrows(DragomanException.class, () -> operation.result(Duration.ZERO));

    assertEquals(Code.DEADLINE_EXCEEDED, thrown.code());
    assertTrue(thrown.getMessage().contains("not done yet (RUNNING)"), thrown.getMessage());
    assertEquals(CompletionOperationMetadata.State.STATE_RUNNING, operation.metadata().getState());
  }

  @Test
  void theResultOfAFailedOperationIsItsError() {
    var error = Events.error(Code.CANCELLED, "CANCELLED", false);
    service.thenAnswer(RUNNING.toBuilder().setDone(true).setError(error).build());

    var thrown =
        assertThrows(DragomanException.class, () -> client.operation("operations/1").result());

    assertEquals(ErrorReason.ERROR_REASON_CANCELLED, thrown.reason());
  }

  @Test
  void waitingForAnUnknownOperationFailsAtOnce() {
    service.thenFail(Events.raised(Events.error(Code.NOT_FOUND, "OPERATION_NOT_FOUND", false)));

    var thrown =
        assertThrows(DragomanException.class, () -> client.operation("operations/2").await());

    assertEquals(Code.NOT_FOUND, thrown.code());
  }

  private String requestId(int call) {
    return ((StartCompletionRequest) service.requests.get(call)).getRequest().getRequestId();
  }
}
