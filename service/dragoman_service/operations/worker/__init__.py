"""What runs operations in this process: claims, leases, event log, cancellation, clean-up."""
