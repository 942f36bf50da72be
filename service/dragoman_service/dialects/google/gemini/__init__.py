"""Gemini: generateContent and its kin, as JSON objects of the REST API. Messages over gRPC are transcoded to them."""
