"""Each shot is asked for once: the model's inputs, open requests, and the game's lock."""
