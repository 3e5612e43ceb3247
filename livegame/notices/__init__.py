"""What people asked to be told of: found by pings, written with what they store, and sent once."""
