import { createFileRegistry, type DescMethodUnary, fromJson, type Message } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { CallOptions, Transport } from "@connectrpc/connect";

// The part of grpc/health/v1/health.proto that a check needs.
const FILE: FileDescriptorProto = fromJson(FileDescriptorProtoSchema, {
  name: "grpc/health/v1/health.proto",
  package: "grpc.health.v1",
  syntax: "proto3",
  messageType: [
    {
      name: "HealthCheckRequest",
      field: [{ name: "service", number: 1, type: "TYPE_STRING", label: "LABEL_OPTIONAL", jsonName: "service" }],
    },
    {
      name: "HealthCheckResponse",
      field: [
        {
          name: "status",
          number: 1,
          type: "TYPE_ENUM",
          typeName: ".grpc.health.v1.HealthCheckResponse.ServingStatus",
          label: "LABEL_OPTIONAL",
          jsonName: "status",
        },
      ],
      enumType: [
        {
          name: "ServingStatus",
          value: ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"].map((name, number) => ({ name, number })),
        },
      ],
    },
  ],
  service: [
    {
      name: "Health",
      method: [
        {
          name: "Check",
          inputType: ".grpc.health.v1.HealthCheckRequest",
          outputType: ".grpc.health.v1.HealthCheckResponse",
        },
      ],
    },
  ],
});
const REGISTRY = createFileRegistry(FILE, () => undefined);

/** The name of the status of a service, by a stub on a client's transport. */
export async function checkHealth(transport: Transport, service: string, { timeoutMs }: CallOptions): Promise<string> {
  const method = REGISTRY.getService("grpc.health.v1.Health")?.method.check as DescMethodUnary;
  const answer = await transport.unary(method, undefined, timeoutMs, undefined, { service });
  const { status } = answer.message as Message & { status: number };
  const name = REGISTRY.getEnum("grpc.health.v1.HealthCheckResponse.ServingStatus")?.value[status]?.name;
  return name ?? String(status);
}
