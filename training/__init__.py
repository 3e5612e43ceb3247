"""Training and judging of expected-goals models: recipes, metrics and the model card."""
