"""The settings: one TOML file, environment variables and flags, read once."""
