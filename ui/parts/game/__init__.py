"""What the Game page is made of."""
