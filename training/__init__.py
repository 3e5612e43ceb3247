"""Train and evaluate expected-goals models: recipes, scores and model cards."""
