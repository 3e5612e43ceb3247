"""Child processes that can do the service no harm: bounded, confined, and gone when the service is."""
