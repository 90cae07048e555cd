"""Speed and memory, ours against baselines in the same run; scripts/benchmark.py is their command line."""
