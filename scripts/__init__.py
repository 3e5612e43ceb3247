"""Thin commands over the packages; each is run as `python -m scripts.<name>`."""
