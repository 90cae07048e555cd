"""Duplicates, near-duplicates and leakage among nucleotide sequences, whatever strand they were read from."""
