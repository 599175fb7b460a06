"""Drawn people who do not exist, in three variants: the benchmark that is always there."""

from metareval_benchmarks.portraits.benchmark import Portraits, picture_sheet

faces = Portraits("faces")
badges = Portraits("badges")
scenes = Portraits("scenes")

__all__ = ["Portraits", "badges", "faces", "picture_sheet", "scenes"]
