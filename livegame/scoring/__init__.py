"""Has each shot scored once: the model's inputs, open requests, and the game's lock."""
