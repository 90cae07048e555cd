"""Whether this machine can train: what is there, what is missing, and a small training with a known end."""
