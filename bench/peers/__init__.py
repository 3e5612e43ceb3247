"""Quick servers to compare the service with. Each module runs in an environment of its own."""
