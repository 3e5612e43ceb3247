"""Measure the product's speed, each time in ratio to something that runs beside it on the same machine."""
