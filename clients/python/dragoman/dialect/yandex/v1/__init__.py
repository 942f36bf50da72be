"""The messages of the twins, for `from dragoman.dialect.yandex import v1`. Their services have no stubs."""

from dragoman.dialect.yandex.v1.api_endpoint_service_pb2 import *
from dragoman.dialect.yandex.v1.completion_pb2 import *
from dragoman.dialect.yandex.v1.operation_pb2 import *
from dragoman.dialect.yandex.v1.operation_service_pb2 import *
from dragoman.dialect.yandex.v1.text_generation_service_pb2 import *
from dragoman.dialect.yandex.v1.tokenizer_service_pb2 import *
from dragoman.dialect.yandex.v1.tool_pb2 import *
