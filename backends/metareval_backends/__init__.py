"""Backends that run model checkpoints; the statistics in metareval do not need them."""
