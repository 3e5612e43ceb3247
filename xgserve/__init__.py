"""A fitted scikit-learn classifier behind HTTP: checks the frame, answers probabilities, swaps models safely."""
