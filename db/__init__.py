"""All SQL of the project: connections and migrations, the service's log, the history of games."""
