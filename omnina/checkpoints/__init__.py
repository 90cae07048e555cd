"""Checkpoints: chosen, written whole, checked to the byte."""
