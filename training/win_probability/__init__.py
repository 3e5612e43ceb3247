"""From recorded seasons to the parameters of win probability, with their card."""
