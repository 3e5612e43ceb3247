"""The active model and its sources. Imports nothing: the child that asks Comet must stay light."""
