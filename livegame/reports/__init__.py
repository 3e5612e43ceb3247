"""The history as numbers for people."""
