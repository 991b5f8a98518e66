"""Run by Alembic, with the connection that `database.migrate` has opened and locked."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
