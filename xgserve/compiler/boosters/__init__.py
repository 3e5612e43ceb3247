"""Gradient-boosted trees of XGBoost and LightGBM: from their files to trees, columns and a link function."""
