// The generated code: messages and services of dragoman.v1, and those of google's that they refer to.
export * from "./gen/dragoman/v1/completion_event_pb.js";
export * from "./gen/dragoman/v1/completion_pb.js";
export * from "./gen/dragoman/v1/completion_service_pb.js";
export * from "./gen/dragoman/v1/generation_config_pb.js";
export * from "./gen/dragoman/v1/message_pb.js";
export * from "./gen/dragoman/v1/model_pb.js";
export * from "./gen/dragoman/v1/model_service_pb.js";
export * from "./gen/dragoman/v1/safety_pb.js";
export * from "./gen/dragoman/v1/tool_pb.js";
export * as longrunning from "./gen/google/longrunning/operations_pb.js";
export * as errorDetails from "./gen/google/rpc/error_details_pb.js";
