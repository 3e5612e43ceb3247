"""Measures what the product's speed rests on, each time against something run beside it on the same machine."""
