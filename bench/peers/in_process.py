"""scikit-learn without any server: python in_process.py model.joblib BODY... prints the seconds of each, as JSON."""

import json
import statistics
import sys
import time
from pathlib import Path

import joblib
import pandas as pd

model = joblib.load(sys.argv[1])
found = []
for name in sys.argv[2:]:
    frame = pd.DataFrame(json.loads(Path(name).read_bytes()))
    model.predict_proba(frame)
    times = []
    for _ in range(15):
        start = time.perf_counter()
        model.predict_proba(frame)
        times.append(time.perf_counter() - start)
    found.append(statistics.median(times))
print(json.dumps(found))
