package dragoman;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dragoman.v1.AttachCompletionRequest;
import dragoman.v1.CompletionEvent;
import dragoman.v1.CompletionRequest;
import dragoman.v1.ErrorReason;
import io.grpc.Status.Code;
import io.grpc.stub.ServerCallStreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class StreamTest {
  private static final CompletionRequest REQUEST = Prompts.request("echo", "hi");
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
  void aStreamYieldsAllEventsAndTheCompletion() {
    service.thenAnswer(
        Events.started(1, ""),
        Events.delta(2, "a"),
        Events.delta(3, "b"),
        Events.finished(4, "ab"));

    try (CompletionStream stream = client.stream(REQUEST)) {
      List<Long> numbers = new ArrayList<>();
      stream.forEach(event -> numbers.add(event.getSequence()));

      assertEquals(List.of(1L, 2L, 3L, 4L), numbers);
      assertEquals("ab", stream.text());
      assertEquals("ab", Answers.text(stream.completion()));
    }
  }

  @Test
  void aFailureIsThrownAfterTheEventThatCarriesIt() {
    var error = Events.error(Code.UNAVAILABLE, "PROVIDER_STREAM_BROKEN", false);
    service.thenFail(
        Events.raised(error), Events.started(1, "operations/1"), Events.failed(2, error));

    try (CompletionStream stream = client.stream(REQUEST)) {
      assertTrue(stream.next().hasStarted());
      assertTrue(stream.next().hasFinished());
      var thrown = assertThrows(DragomanException.class, stream::hasNext);
      assertEquals(ErrorReason.ERROR_REASON_PROVIDER_STREAM_BROKEN, thrown.reason());
      assertThrows(DragomanException.class, stream::completion);
    }
  }

  @Test
  void aStreamWithoutFinishedIsAnError() {
    service.thenAnswer(Events.started(1, ""), Events.delta(2, "a"));

    try (CompletionStream stream = client.stream(REQUEST)) {
      var thrown = assertThrows(DragomanException.class, stream::completion);
      assertEquals(Code.UNAVAILABLE, thrown.code());
      assertTrue(thrown.getMessage().contains("incomplete"), thrown.getMessage());
    }
  }

  @Test
  void theStreamOfAnOperationResumesAfterItsLastEvent() {
    service
        .thenFail(
            Events.bare(Code.INTERNAL), Events.started(1, "operations/1"), Events.delta(2, "a"))
        .thenFail(Events.bare(Code.CANCELLED), Events.delta(3, "b"))
        .thenAnswer(Events.delta(4, "c"), Events.finished(5, "abc"));

    try (CompletionStream stream = client.stream(REQUEST)) {
      assertEquals("abc", Answers.text(stream.completion()));
      assertEquals("abc", stream.text());
      assertEquals(
          List.of(REQUEST, attach("operations/1", 2), attach("operations/1", 3)), service.requests);
    }
  }

  @Test
  void theServicesOwnErrorIsNoReasonToResume() {
    var error = Events.error(Code.NOT_FOUND, "OPERATION_NOT_FOUND", false);
    service.thenFail(Events.raised(error), Events.started(1, "operations/1"));

    try (CompletionStream stream = client.stream(REQUEST)) {
      assertEquals(
          Code.NOT_FOUND, assertThrows(DragomanException.class, stream::completion).code());
    }
  }

  @Test
  void resumingEndsWithoutContact() {
    client = service.builder().reconnectTimeout(Duration.ofMillis(200)).build(service.channel());
    service.thenAnswer(Events.started(1, "operations/1"), Events.delta(2, "a"));
    for (int failures = 0; failures < 100; failures++) {
      service.thenFail(Events.bare(Code.UNKNOWN));
    }

    try (CompletionStream stream = client.stream(REQUEST)) {
      var thrown = assertThrows(DragomanException.class, stream::completion);
      assertTrue(
          thrown.getMessage().contains("operations/1 ended after number 2"), thrown.getMessage());
    }
  }

  @Test
  void whatIsRetractedIsNoText() {
    service.thenAnswer(
        Events.started(1, "operations/1"),
        Events.delta(2, "wrong"),
        Events.retracted(3, 1),
        Events.started(4, "operations/1"),
        Events.delta(5, "right"),
        Events.finished(6, "right"));

    try (CompletionStream stream = client.stream(REQUEST)) {
      stream.completion();
      assertEquals("right", stream.text());
    }
  }

  @Test
  void closingAStreamCancelsTheCall() throws InterruptedException {
    CountDownLatch cancelled = new CountDownLatch(1);
    service.then(
        (request, observer) -> {
          ((ServerCallStreamObserver<?>) observer).setOnCancelHandler(cancelled::countDown);
          observer.onNext(Events.started(1, "operations/1"));
        });

    CompletionStream stream = client.stream(REQUEST);
    CompletionEvent first = stream.next();
    stream.close();

    assertTrue(first.hasStarted());
    assertTrue(cancelled.await(10, TimeUnit.SECONDS));
    assertFalse(stream.hasNext());
    assertThrows(IllegalStateException.class, stream::completion);
    assertEquals(1, service.requests.size());
  }

  @Test
  void theTimeoutBoundsTheStreamOfAnOperationToo() {
    service
        .then((request, observer) -> observer.onNext(Events.started(1, "operations/1")))
        .then((request, observer) -> observer.onNext(Events.delta(2, "a")));

    try (CompletionStream stream = client.withTimeout(Duration.ofMillis(300)).stream(REQUEST)) {
      assertEquals(
          Code.DEADLINE_EXCEEDED, assertThrows(DragomanException.class, stream::completion).code());
    }
  }

  @Test
  void eventsBeginAfterTheCursor() {
    service.thenAnswer(Events.delta(8, "z"), Events.finished(9, "yz"));

    try (CompletionStream stream = client.operation("operations/1").events(7)) {
      assertEquals(8, stream.next().getSequence());
    }
    assertEquals(List.of(attach("operations/1", 7)), service.requests);
  }

  private static AttachCompletionRequest attach(String name, long after) {
    return AttachCompletionRequest.newBuilder().setName(name).setAfterSequence(after).build();
  }
}
