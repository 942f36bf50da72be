"""`dragoman demo`: a service of its own on the embedded model, and what can be had from it."""
