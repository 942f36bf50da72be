"""Quotas, budgets, prices and the ledger of usage: what a caller may use, and what was used."""
