"""OmniNA: a generative foundation model of nucleotide sequences and their annotations."""
