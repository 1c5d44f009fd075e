"""Experiments with bidirectional exchange: images, students, arms, tables. `bench.exchange` is the short form."""
