"""Which model is active, and where it came from. Imports nothing: the child that asks Comet must stay light."""
