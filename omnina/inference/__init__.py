"""A checkpoint at work: answers with probabilities, and free text."""

# Here, so that command lines can name them without importing torch.
TOKENS_PER_BATCH = 8192  # of a forward pass
DTYPE_NAMES = ("fp32", "bf16")
