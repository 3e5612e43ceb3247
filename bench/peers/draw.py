"""Draw the medians: python draw.py RESULT.json PLOT.png."""

import json
import statistics
import sys
from pathlib import Path

import matplotlib.pyplot as plt

result = json.loads(Path(sys.argv[1]).read_text())
servers = result["servers"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=[3, 1], layout="constrained")
width = 0.8 / len(servers)
for place, server in enumerate(servers):
    found = result["measured"][server]
    heights = [statistics.median(found[f"p50 ms, {rows} rows"]) for rows in result["rows"]]
    left.bar([at + place * width for at in range(len(heights))], heights, width, label=server, color=f"C{place}")
    right.bar(place, statistics.median(found["requests/s, 8 clients"]), color=f"C{place}")
left.set_yscale("log")
left.set_ylabel("median answer, ms")
left.set_xticks([at + 0.4 - width / 2 for at in range(len(heights))], [f"{rows:,} rows" for rows in result["rows"]])
left.legend(frameon=False, fontsize="small")
right.set_ylabel("requests per second, 8 clients, 1 row")
right.set_xticks([])
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
figure.savefig(sys.argv[2], dpi=90)
