"""Other gateways, measured beside ours where they can be installed."""
