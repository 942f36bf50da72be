package dragoman;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptors;
import io.grpc.ConnectivityState;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** An open channel. Every call carries the API key and a deadline. */
final class Transport {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final ManagedChannel connection;
  private final Channel channel;
  private final Settings settings;

  private Transport(ManagedChannel connection, Channel channel, Settings settings) {
    this.connection = connection;
    this.channel = channel;
    this.settings = settings;
  }

  /** A transport that sends the key as metadata, because loopback needs keys too, without TLS. */
  static Transport of(ManagedChannel connection, String apiKey, Settings settings) {
    if (apiKey.isEmpty()) {
      return new Transport(connection, connection, settings);
    }
    Metadata headers = new Metadata();
    headers.put(AUTHORIZATION, "Bearer " + apiKey);
    Channel channel =
        ClientInterceptors.intercept(
            connection, MetadataUtils.newAttachHeadersInterceptor(headers));
    return new Transport(connection, channel, settings);
  }

  Transport withTimeout(Duration timeout) {
    return new Transport(connection, channel, settings.withTimeout(timeout));
  }

  Settings settings() {
    return settings;
  }

  Channel channel() {
    return channel;
  }

  /** Makes a unary call that may take as long as the settings say. */
  <Q, R> R call(MethodDescriptor<Q, R> method, Q request) {
    return call(method, request, within(settings.timeout()));
  }

  /** Makes a unary call, which waits for the connection rather than fail without one. */
  <Q, R> R callWhenReady(MethodDescriptor<Q, R> method, Q request, Duration timeout) {
    return call(method, request, within(timeout).withWaitForReady());
  }

  /** A streaming call, not started yet. */
  <Q, R> ClientCall<Q, R> open(MethodDescriptor<Q, R> method, Duration timeout) {
    reconnectNow();
    return channel.newCall(method, within(timeout));
  }

  /** The exception for what gRPC raised in the current thread. */
  DragomanException error(StatusRuntimeException raised) {
    return Errors.ofCall(raised, settings.target(), isLeft());
  }

  /** Pauses. Throws CANCELLED if the thread is interrupted. */
  void sleep(Duration duration) {
    try {
      TimeUnit.NANOSECONDS.sleep(duration.toNanos());
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new DragomanException(
          io.grpc.Status.Code.CANCELLED, "The thread was interrupted", false, interrupted);
    }
  }

  /** Ends all calls and closes the connection. */
  void close() {
    connection.shutdownNow();
  }

  private <Q, R> R call(MethodDescriptor<Q, R> method, Q request, CallOptions options) {
    reconnectNow();
    try {
      return ClientCalls.blockingUnaryCall(channel, method, options, request);
    } catch (StatusRuntimeException raised) {
      throw error(raised);
    }
  }

  /** Ends gRPC's own pause between attempts to connect, which grows to two minutes. */
  private void reconnectNow() {
    if (connection.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
      connection.resetConnectBackoff();
    }
  }

  /** Whether it is this program that ended a call. */
  private boolean isLeft() {
    return connection.isShutdown()
        || Thread.currentThread().isInterrupted()
        || Context.current().isCancelled();
  }

  private static CallOptions within(Duration timeout) {
    return CallOptions.DEFAULT.withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS);
  }
}
