"""Goes before the vendor's programs: the only change to their address and their credential."""

import sys

import vertexai
from google.oauth2.credentials import Credentials

_, endpoint, key = sys.argv[:3]
vertexai.init(project="project", location="us-central1", api_endpoint=endpoint, credentials=Credentials(token=key))
