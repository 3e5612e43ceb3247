"""Open and translate what scikit-learn made."""
