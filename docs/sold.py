"""Write sold.csv, the table of made-up house sales on the page of the command line.

Run as ``python docs/sold.py sold.csv``.
"""

import sys

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 650
area = rng.normal(1500, 400, n).clip(500).round()
quality = rng.integers(1, 11, n)
town = rng.integers(0, 25, n)
built = rng.integers(1880, 2011, n)
day = pd.Timestamp("2006-01-01") + pd.to_timedelta(rng.integers(0, 1600, n), unit="D")
price = 30_000 + 6 * area * quality + 80 * (built - 1880) + 2_500 * town
sales = pd.DataFrame(
    {
        "Id": np.arange(1, n + 1),
        "LotArea": rng.lognormal(9, 0.5, n).round(),
        "YearBuilt": built,
        "OverallQual": quality,
        "GrLivArea": area,
        "Neighborhood": [f"district {i}" for i in town],
        "Alley": rng.choice(["paved", "gravel", ""], n, p=[0.1, 0.1, 0.8]),
        "Street": "paved",
        "PoolQC": "",
        "SaleDate": day.strftime("%Y-%m-%d"),
        "SalePrice": (price + rng.normal(0, 15_000, n)).round(),
    }
)
if __name__ == "__main__":  # the tests import every module here, and have arguments of their own
    sales.to_csv(sys.argv[1], index=False)
