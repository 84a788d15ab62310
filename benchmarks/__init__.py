"""Side-by-side measurements that anyone can rerun, each ``python -m benchmarks.NAME``."""
