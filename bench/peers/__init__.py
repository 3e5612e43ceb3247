"""What runs beside the service, as one would write it in ten minutes. Each module runs in an environment of its own."""
