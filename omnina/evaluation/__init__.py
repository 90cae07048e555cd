"""How good a checkpoint is: metrics, baselines, plots, tables."""
