"""`python -m xgserve.sandbox MODULE`: a child of the service, which answers one request with `MODULE.handle`."""

import sys

from xgserve.sandbox.child import answer_one

if __name__ == "__main__":
    answer_one(sys.argv[1])
