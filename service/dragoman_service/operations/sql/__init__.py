"""The SQL of operations: schema, migrations, and the statements by who runs them."""
