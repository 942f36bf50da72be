"""What a schema, a pattern or a grammar may ask of the embedded engine, which has no limits of its own."""
