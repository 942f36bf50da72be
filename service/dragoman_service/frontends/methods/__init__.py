"""The methods of the native API: a function for each, which frontends carry over gRPC and over HTTP."""
