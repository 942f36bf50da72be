package dragoman;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannelBuilder;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/** Settings of a {@link DragomanClient}. */
public final class ClientBuilder {
  // For long answers with the log probability of each token.
  private static final int LARGEST_MESSAGE = 64 * 1024 * 1024;
  // Longer requests are not retried, and the service accepts none.
  private static final long RETRY_BUFFER = 8 * 1024 * 1024;

  private String target = environment("DRAGOMAN_TARGET", "127.0.0.1:50051");
  private String apiKey;
  private String serverName;
  private ChannelCredentials credentials = InsecureChannelCredentials.create();
  private Duration timeout = Duration.ofSeconds(600);
  private Duration reconnectTimeout = Duration.ofSeconds(120);
  private Duration reconnectDelay = Duration.ofMillis(100);
  private Duration longestWait = Duration.ofSeconds(25); // the service ends longer ones

  ClientBuilder() {
    apiKey(environment("DRAGOMAN_API_KEY", ""));
  }

  /** Address of the service, host:port. Default: $DRAGOMAN_TARGET, else 127.0.0.1:50051. */
  public ClientBuilder target(String address) {
    target = Objects.requireNonNull(address);
    return this;
  }

  /**
   * The API key, sent with each call. Default: $DRAGOMAN_API_KEY, else none; an empty key means
   * none. Without TLS, the network can read it. Throws IllegalArgumentException if no API key has
   * such characters.
   */
  public ClientBuilder apiKey(String key) {
    String stripped = key.strip();
    if (!stripped.chars().allMatch(character -> character > ' ' && character < 127)) {
      throw new IllegalArgumentException(
          "The API key has characters that no API key contains. "
              + "Copy the complete key and nothing else.");
    }
    apiKey = stripped;
    return this;
  }

  /** Uses TLS and trusts the authorities that Java trusts. Default: no TLS. */
  public ClientBuilder tls() {
    return credentials(TlsChannelCredentials.create());
  }

  /** Uses TLS and trusts the authorities in the PEM file {@code ca} alone. */
  public ClientBuilder tls(File ca) throws IOException {
    return credentials(TlsChannelCredentials.newBuilder().trustManager(ca).build());
  }

  /** Uses these credentials, for example of {@link TlsChannelCredentials} with a certificate. */
  public ClientBuilder credentials(ChannelCredentials other) {
    credentials = Objects.requireNonNull(other);
    return this;
  }

  /** The name in the service's certificate, if it differs from the target's host. */
  public ClientBuilder serverName(String name) {
    serverName = name;
    return this;
  }

  /** How long a call may take. Default: 600 s. See {@link DragomanClient#withTimeout}. */
  public ClientBuilder timeout(Duration longest) {
    timeout = Objects.requireNonNull(longest);
    return this;
  }

  /**
   * How long the service may be out of reach before reading or awaiting an operation fails.
   * Default: 120 s.
   */
  public ClientBuilder reconnectTimeout(Duration longest) {
    reconnectTimeout = Objects.requireNonNull(longest);
    return this;
  }

  /** A client. It connects when it makes its first call. */
  public DragomanClient build() {
    ManagedChannelBuilder<?> channel = Grpc.newChannelBuilder(target, credentials);
    if (serverName != null) {
      channel.overrideAuthority(serverName);
    }
    return build(channel);
  }

  /** The pause before the first attempt to reconnect; doubles with each further one, up to 5 s. */
  ClientBuilder reconnectDelay(Duration first) {
    reconnectDelay = first;
    return this;
  }

  /** A longer wait for an operation consists of several calls. */
  ClientBuilder longestWait(Duration longest) {
    longestWait = longest;
    return this;
  }

  DragomanClient build(ManagedChannelBuilder<?> channel) {
    var settings = new Settings(target, timeout, reconnectTimeout, reconnectDelay, longestWait);
    channel
        .defaultServiceConfig(ServiceConfig.load())
        .disableServiceConfigLookUp()
        .enableRetry()
        .maxInboundMessageSize(LARGEST_MESSAGE)
        .perRpcBufferLimit(RETRY_BUFFER)
        .keepAliveTime(20, TimeUnit.SECONDS) // detects a frozen service while calls wait for it
        .keepAliveTimeout(10, TimeUnit.SECONDS)
        .userAgent("dragoman-java/" + version());
    return new DragomanClient(Transport.of(channel.build(), apiKey, settings));
  }

  private static String version() {
    String version = ClientBuilder.class.getPackage().getImplementationVersion();
    return version == null ? "dev" : version;
  }

  private static String environment(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isBlank() ? otherwise : value.strip();
  }
}
