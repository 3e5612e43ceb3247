"""The lower bound for any service on Bottle and waitress: it returns the request's body."""

import os

import bottle
import waitress

app = bottle.Bottle()
bottle.BaseRequest.MEMFILE_MAX = 1 << 30


@app.post("/predict")
def predict() -> bytes:
    """Echo the body."""
    bottle.response.content_type = "application/json"
    body: bytes = bottle.request.body.read()
    return body


if __name__ == "__main__":
    waitress.serve(app, host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), threads=4, ident=None)
