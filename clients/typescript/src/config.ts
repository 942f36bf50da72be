// The service config that clients/dragoman_grpc_service_config.json publishes. A test compares the two.

/** Size in bytes of the largest message that is sent or received: 64 MiB, for answers with log probabilities. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** Calls that failed with UNAVAILABLE are repeated, if they are safe to repeat. */
export const RETRY_POLICY = {
  maxAttempts: 4,
  initialBackoffMs: 200,
  maxBackoffMs: 5_000,
  backoffMultiplier: 2,
};

/**
 * Methods that are safe to repeat: they read, or they generate an answer that nobody has seen yet. StartCompletion
 * always carries a request_id, so that a repetition finds the operation of the first call. DeleteOperation is left
 * out, because it would report NOT_FOUND for what it has just deleted.
 */
export const REPEATABLE_METHODS: Readonly<Record<string, readonly string[]>> = {
  "dragoman.v1.CompletionService": [
    "CreateCompletion",
    "StreamCompletion",
    "StartCompletion",
    "AttachCompletion",
    "CountTokens",
    "Tokenize",
  ],
  "dragoman.v1.ModelService": ["ListModels", "GetModel"],
  "google.longrunning.Operations": ["GetOperation", "ListOperations", "WaitOperation", "CancelOperation"],
};

export const DEFAULT_TARGET = "127.0.0.1:50051";
export const DEFAULT_MODEL = "local";
export const DEFAULT_TIMEOUT_MS = 600_000;
export const DEFAULT_RECONNECT_TIMEOUT_MS = 120_000;
/** The service ends each WaitOperation after this time; proxies end calls that are silent for a minute. */
export const LONGEST_WAIT_MS = 25_000;
export const KEEPALIVE_MS = 20_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;
