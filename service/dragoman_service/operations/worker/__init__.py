"""The worker of this process: claims, leases, event log, cancellation, clean-up."""
