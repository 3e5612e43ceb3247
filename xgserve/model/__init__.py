"""The loaded model and the frames it scores. Imports no scikit-learn, SciPy, pandas or skops."""
