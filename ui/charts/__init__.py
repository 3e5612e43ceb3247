"""Vega-Lite pictures, without layout or words of a page."""
