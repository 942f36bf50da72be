"""What limits and the ledger do with one call: reserve, count, grow, settle, tell."""
