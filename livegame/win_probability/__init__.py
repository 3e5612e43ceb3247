"""The model of who will win from here: an exact Markov chain, its parameters and their card."""
