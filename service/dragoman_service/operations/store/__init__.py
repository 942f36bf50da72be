"""Where operations are kept: the database connections and their transactions."""
