"""The messages of the twins, for `from dragoman.dialect.google.generativelanguage import v1`. Their services have no stubs."""

from dragoman.dialect.google.generativelanguage.v1.content_pb2 import *
from dragoman.dialect.google.generativelanguage.v1.generate_content_pb2 import *
from dragoman.dialect.google.generativelanguage.v1.generation_config_pb2 import *
from dragoman.dialect.google.generativelanguage.v1.generative_service_pb2 import *
from dragoman.dialect.google.generativelanguage.v1.model_service_pb2 import *
from dragoman.dialect.google.generativelanguage.v1.safety_pb2 import *
from dragoman.dialect.google.generativelanguage.v1.schema_pb2 import *
from dragoman.dialect.google.generativelanguage.v1.tool_pb2 import *
