"""The history as other programs read it: what is in it, questions with names, and exports."""
