"""The messages of the twins, for `from dragoman.dialect.google.aiplatform import v1`. Their services have no stubs."""

from dragoman.dialect.google.aiplatform.v1.model_garden_service_pb2 import *
from dragoman.dialect.google.aiplatform.v1.prediction_pb2 import *
from dragoman.dialect.google.aiplatform.v1.prediction_service_pb2 import *
from dragoman.dialect.google.aiplatform.v1.tensor_pb2 import *
