"""`dragoman demo`: starts a service on the embedded model and shows its deliveries."""
