"""The tables' history, for Alembic: each version is applied once, in order, inside one transaction."""
