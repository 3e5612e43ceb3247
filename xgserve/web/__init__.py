"""From the socket to the route: waitress, what is read of a request, the contract, and answers given again."""
