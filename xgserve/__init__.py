"""The prediction service: a fitted classifier of scikit-learn behind HTTP. It knows nothing of hockey.

- __main__, settings, server, dispatcher, memory: the process, waitress and its threads
- app, incoming, openapi, errors: the routes, what a request says, how an error is answered
- json_text, frames, columns: a body to columns, checked and cast
- model, signature, evaluators, trees, whole: a loaded model, the columns it wants, and P(goal) for rows of them
- trust, allowed, schema, rebuilt, indices, imports: from an artifact's bytes to an estimator, trusting nothing
- registry, bundle, pinned, flights, names: which model is active, and how that changes
- artifacts, cache, comet, child, trial: models from outside, fetched and tried in child processes, and kept
- journal, logpage, metrics, idempotency: what is remembered of requests
- client: for callers; the only module that other packages import
"""
