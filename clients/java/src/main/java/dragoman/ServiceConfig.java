package dragoman;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** The service config that all clients of the service share: which methods gRPC itself retries. */
final class ServiceConfig {
  private static final String FILE = "dragoman_grpc_service_config.json";

  private ServiceConfig() {}

  /** The published file, in the form that gRPC takes: its numbers are doubles. */
  static Map<String, Object> load() {
    try (InputStream file = ServiceConfig.class.getResourceAsStream(FILE)) {
      if (file == null) {
        throw new IllegalStateException("The jar of the client lacks dragoman/" + FILE);
      }
      return new Gson()
          .fromJson(new InputStreamReader(file, StandardCharsets.UTF_8), new TypeToken<>() {});
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }
}
