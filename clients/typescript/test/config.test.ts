import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ANSWER, MAX_MESSAGE_BYTES, ONCE, QUICK, RETRY_POLICY } from "../src/config.js";

interface PublishedConfig {
  methodConfig: {
    name: { service: string; method: string }[];
    timeout: string;
    maxRequestMessageBytes: number;
    maxResponseMessageBytes: number;
    retryPolicy?: object;
  }[];
}

test("the constants are those of the published service config", () => {
  const file = new URL("../../../../dragoman_grpc_service_config.json", import.meta.url);
  const published = JSON.parse(readFileSync(file, "utf8")) as PublishedConfig;
  const retryPolicy = {
    maxAttempts: RETRY_POLICY.maxAttempts,
    initialBackoff: `${RETRY_POLICY.initialBackoffMs / 1000}s`,
    maxBackoff: `${RETRY_POLICY.maxBackoffMs / 1000}s`,
    backoffMultiplier: RETRY_POLICY.backoffMultiplier,
    retryableStatusCodes: ["UNAVAILABLE"],
  };
  const ours = [ANSWER, QUICK, ONCE].map(({ methods, timeoutMs, repeatable }) => ({
    name: Object.entries(methods).flatMap(([service, names]) => names.map((method) => ({ service, method }))),
    timeout: `${timeoutMs / 1000}s`,
    maxRequestMessageBytes: MAX_MESSAGE_BYTES,
    maxResponseMessageBytes: MAX_MESSAGE_BYTES,
    ...(repeatable ? { retryPolicy } : {}),
  }));
  assert.deepEqual(ours, published.methodConfig);
});
