"""What `dragoman doctor` looks at. A check changes nothing, and contacts nobody with a prompt."""
