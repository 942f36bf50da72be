"""What takes gRPC calls from the network: grpcio's server, or the native one. Both pass them to the guard."""
