"""Compile an artifact into data that the service loads. Heavy: runs in a child process."""
