"""The messages of the twins, for `from dragoman.dialect.google.aiplatform import v1`. Their services have no stubs."""

from dragoman.dialect.google.aiplatform.v1.content_pb2 import *
from dragoman.dialect.google.aiplatform.v1.generate_content_pb2 import *
from dragoman.dialect.google.aiplatform.v1.generation_config_pb2 import *
from dragoman.dialect.google.aiplatform.v1.llm_utility_service_pb2 import *
from dragoman.dialect.google.aiplatform.v1.model_garden_service_pb2 import *
from dragoman.dialect.google.aiplatform.v1.prediction_pb2 import *
from dragoman.dialect.google.aiplatform.v1.prediction_service_pb2 import *
from dragoman.dialect.google.aiplatform.v1.safety_pb2 import *
from dragoman.dialect.google.aiplatform.v1.schema_pb2 import *
from dragoman.dialect.google.aiplatform.v1.tensor_pb2 import *
from dragoman.dialect.google.aiplatform.v1.tool_pb2 import *
