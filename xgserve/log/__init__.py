"""What is remembered of requests: the log in SQLite, its page, and metrics."""
