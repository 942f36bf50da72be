"""The messages of the API and the stubs of its services, for `from dragoman import v1`."""

from dragoman.v1.admin_service_pb2 import *
from dragoman.v1.admin_service_pb2_grpc import AdminServiceServicer as AdminServiceServicer
from dragoman.v1.admin_service_pb2_grpc import AdminServiceStub as AdminServiceStub
from dragoman.v1.admin_service_pb2_grpc import (
    add_AdminServiceServicer_to_server as add_AdminServiceServicer_to_server,
)
from dragoman.v1.completion_event_pb2 import *
from dragoman.v1.completion_pb2 import *
from dragoman.v1.completion_service_pb2 import *
from dragoman.v1.completion_service_pb2_grpc import CompletionServiceServicer as CompletionServiceServicer
from dragoman.v1.completion_service_pb2_grpc import CompletionServiceStub as CompletionServiceStub
from dragoman.v1.completion_service_pb2_grpc import (
    add_CompletionServiceServicer_to_server as add_CompletionServiceServicer_to_server,
)
from dragoman.v1.generation_config_pb2 import *
from dragoman.v1.limit_service_pb2 import *
from dragoman.v1.limit_service_pb2_grpc import LimitServiceServicer as LimitServiceServicer
from dragoman.v1.limit_service_pb2_grpc import LimitServiceStub as LimitServiceStub
from dragoman.v1.limit_service_pb2_grpc import (
    add_LimitServiceServicer_to_server as add_LimitServiceServicer_to_server,
)
from dragoman.v1.message_pb2 import *
from dragoman.v1.model_pb2 import *
from dragoman.v1.model_service_pb2 import *
from dragoman.v1.model_service_pb2_grpc import ModelServiceServicer as ModelServiceServicer
from dragoman.v1.model_service_pb2_grpc import ModelServiceStub as ModelServiceStub
from dragoman.v1.model_service_pb2_grpc import (
    add_ModelServiceServicer_to_server as add_ModelServiceServicer_to_server,
)
from dragoman.v1.routing_pb2 import *
from dragoman.v1.safety_pb2 import *
from dragoman.v1.tool_pb2 import *
from dragoman.v1.usage_pb2 import *
from dragoman.v1.usage_service_pb2 import *
from dragoman.v1.usage_service_pb2_grpc import UsageServiceServicer as UsageServiceServicer
from dragoman.v1.usage_service_pb2_grpc import UsageServiceStub as UsageServiceStub
from dragoman.v1.usage_service_pb2_grpc import (
    add_UsageServiceServicer_to_server as add_UsageServiceServicer_to_server,
)
