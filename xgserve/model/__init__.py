"""What the service holds and predicts with. Lean: imports no scikit-learn, SciPy, pandas or skops."""
