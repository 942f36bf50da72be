"""The messages of the twins, for `from dragoman.dialect.xai import v1`. Their services have no stubs."""

from dragoman.dialect.xai.v1.auth_pb2 import *
from dragoman.dialect.xai.v1.chat_pb2 import *
from dragoman.dialect.xai.v1.completion_pb2 import *
from dragoman.dialect.xai.v1.message_pb2 import *
from dragoman.dialect.xai.v1.models_pb2 import *
from dragoman.dialect.xai.v1.tokenize_pb2 import *
from dragoman.dialect.xai.v1.tool_pb2 import *
