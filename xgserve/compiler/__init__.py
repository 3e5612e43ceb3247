"""From an artifact to something that predicts: opening, checking, and the fast path. Heavy."""
