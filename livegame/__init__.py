"""The game client: reads NHL games, makes features of their shots, has them scored once, and keeps the history."""
