"""What a run will need, from its YAML alone: scripts/plan.py is its command line."""
