"""FastAPI, a DataFrame and `predict_proba`; run by uvicorn with one worker."""

import os
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI

app = FastAPI()
model = joblib.load(os.environ["BENCH_MODEL"])


@app.post("/predict")
def predict(body: dict[str, dict[str, Any]]) -> dict[str, list[float]]:
    """Score a frame as `df.to_json()` writes it."""
    frame = pd.DataFrame(body)
    return {"predictions": model.predict_proba(frame)[:, 1].tolist()}
