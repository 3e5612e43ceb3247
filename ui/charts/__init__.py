"""Vega-Lite charts, without the page's layout."""
