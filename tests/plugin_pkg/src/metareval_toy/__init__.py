"""A metric, a backend and a benchmark for metareval, as small as they can be."""
