"""The log in SQLite, its page, and the metrics."""
