"""`python -m xgserve.sandbox MODULE FUNCTION`: a child process of the service; see `child.main`."""

import sys

from xgserve.sandbox.child import main

if __name__ == "__main__":
    main(*sys.argv[1:])
