"""What every upstream over HTTP or gRPC needs, whoever the vendor is."""
