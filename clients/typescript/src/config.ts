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

/** How calls of some methods are made. */
export interface MethodConfig {
  methods: Readonly<Record<string, readonly string[]>>;
  /** Milliseconds that a call may take at most. */
  timeoutMs: number;
  /** Whether a call is repeated. */
  repeatable: boolean;
}

/** Calls that last as long as the model takes. They may be repeated, because nobody has seen the answer yet. */
export const ANSWER: MethodConfig = {
  methods: { "dragoman.v1.CompletionService": ["CreateCompletion", "StreamCompletion", "AttachCompletion"] },
  timeoutMs: 3_600_000,
  repeatable: true,
};

/** Calls that read, and StartCompletion, whose request_id makes a repetition find the operation of the first call. */
export const QUICK: MethodConfig = {
  methods: {
    "dragoman.v1.CompletionService": ["StartCompletion", "GetCompletionRequest", "CountTokens", "Tokenize"],
    "dragoman.v1.ModelService": ["ListModels", "GetModel"],
    "dragoman.v1.LimitService": ["GetLimits"],
    "dragoman.v1.UsageService": ["ListUsage", "SummarizeUsage"],
    "google.longrunning.Operations": ["GetOperation", "ListOperations", "WaitOperation", "CancelOperation"],
  },
  timeoutMs: 60_000,
  repeatable: true,
};

/** DeleteOperation, which would report NOT_FOUND for what it has just deleted. */
export const ONCE: MethodConfig = {
  methods: { "google.longrunning.Operations": ["DeleteOperation"] },
  timeoutMs: 60_000,
  repeatable: false,
};

export const DEFAULT_TARGET = "127.0.0.1:50051";
export const DEFAULT_MODEL = "local";
export const DEFAULT_TIMEOUT_MS = 600_000;
export const DEFAULT_RECONNECT_TIMEOUT_MS = 120_000;
/** The service ends each WaitOperation after this time; proxies end calls that are silent for a minute. */
export const LONGEST_WAIT_MS = 25_000;
export const KEEPALIVE_MS = 20_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;
