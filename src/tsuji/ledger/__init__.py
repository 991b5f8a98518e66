"""The ledger: virtual keys, and a record of every request, in SQL.

Owns the tables and their migrations, the audit of changes, keys and what they allow, the server's secret, the record of
a request, the spool that records wait in, and the process that moves them into SQL. It refuses to be waited for: the
gateway asks what is in memory and appends to a file, and a process of the ledger's own does everything that may take
time, so that neither SQLAlchemy nor a database is ever in a worker. It refuses to keep prompts, answers or any key:
only a keyed hash of one. Money is integer nano-dollars and unknown is NULL, never 0; times are microseconds since 1970,
UTC.
"""
