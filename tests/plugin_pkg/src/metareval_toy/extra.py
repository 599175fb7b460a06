"""Needs a package that is not installed."""

import a_package_nobody_has

Metric = a_package_nobody_has.Metric
