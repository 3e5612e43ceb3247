"""From plays to features: one definition for training, live pings and backfill."""
