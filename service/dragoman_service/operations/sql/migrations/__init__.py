"""The history of the ledger's tables, read by Alembic."""
