"""Flask, a DataFrame and `predict_proba`; run by gunicorn with one worker."""

import os

import joblib
import pandas as pd
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
model = joblib.load(os.environ["BENCH_MODEL"])


@app.post("/predict")
def predict() -> Response:
    """Score a frame as `df.to_json()` writes it."""
    frame = pd.DataFrame(request.get_json())
    return jsonify({"predictions": model.predict_proba(frame)[:, 1].tolist()})
