"""A checkpoint at work: answers with probabilities, and free text."""
