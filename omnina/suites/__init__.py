"""Suites of labelled tasks: public benchmarks on disk, tasks with a known optimum, one command for all."""
