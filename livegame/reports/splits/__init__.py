"""A game's numbers divided: by period, by how good the chances were, by strength, and by the score."""
