"""How sure the model still is of the answers it should have forgotten."""

import numpy as np


class ForgetConfidence:
    name = "forget_confidence"
    direction, low, high = "lower", 0.0, 1.0
    reads, fields = ("forget",), ("token_logprobs",)
    needs_oracle = False

    def __call__(self, observed, oracle=None):
        return float(np.exp(observed["forget"].mean_logprob).mean())
