"""From the socket to the route: waitress, requests, the OpenAPI document, and repeated answers."""
