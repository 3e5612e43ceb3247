"""The prediction service: behaves like a fitted scikit-learn classifier behind HTTP. It knows nothing about hockey."""
