"""The time of a fit against the number of rows, from docs/benchmarks/time_by_rows.csv.

It is run in its own folder, when the pages are built.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt

table = Path("../benchmarks/time_by_rows.csv")
with table.open(encoding="utf-8") as file:
    lines = list(csv.DictReader(file))
rows = [int(line["rows"].replace(",", "")) for line in lines]
seconds = [float(line["seconds"]) for line in lines]

figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.loglog(rows, seconds, "o-")
ax.set(xlabel="rows (20 columns)", ylabel="seconds of a fit", ylim=(0.5, 200))
ax.set_yticks([1, 10, 100], labels=["1", "10", "100"])
ax.set_xticks(
    [100, 1_000, 10_000, 100_000, 1_000_000],
    labels=["100", "1,000", "10,000", "100,000", "1,000,000"],
)
ax.minorticks_off()
ax.grid(alpha=0.3)
