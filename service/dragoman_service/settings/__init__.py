"""The settings: one TOML file, environment variables and command-line options, read once."""
