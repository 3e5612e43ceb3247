"""Recorded games: files, seasons, replay, backfill."""
