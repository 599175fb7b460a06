"""A language model of letters, with random weights: the next letter follows from the picture, the
question and the letter before."""

from pathlib import Path

import numpy as np

from metareval.errors import LoadError, unknown_name
from metareval.observations import Observations

LETTERS = " abcdefghijklmnopqrstuvwxyz"
END = len(LETTERS)
VOCABULARY, WIDTH, LONGEST, LAYER = END + 1, 16, 12, "state"


class ToyBackend:
    name = "toy"

    def load(self, checkpoint, *, base=None):
        path = Path(checkpoint, "weights.npz")
        try:
            with np.load(path, allow_pickle=False) as stored:
                model = {key: stored[key] for key in ("embed", "image", "out")}
        except (OSError, ValueError, KeyError) as error:
            raise LoadError(f"{path} could not be loaded: {error}. Name another folder.") from error
        return {**model, "checkpoint": str(checkpoint)}

    def tiny(self, seed=0):
        rng = np.random.default_rng(seed)
        shapes = {"embed": (VOCABULARY, WIDTH), "image": (3, WIDTH), "out": (WIDTH, VOCABULARY)}
        weights = {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}
        return {**weights, "checkpoint": f"tiny {seed}"}

    def observe(self, model, samples, *, split, batch_size=None, layer=None):
        if layer not in (None, LAYER):
            raise unknown_name("layer", layer, [LAYER])
        size = batch_size or 32
        batches = [samples[i : i + size] for i in range(0, len(samples), size)]
        return Observations.merge(self._observe(model, batch, split) for batch in batches)

    def _observe(self, model, samples, split):
        state = self._state(model, samples)
        gold = [[*encode(s.answer), END] for s in samples]
        first = log_softmax(state @ model["out"])
        # Teacher forcing: each gold token is scored after the gold tokens before it.
        scores = []
        for row, tokens in enumerate(gold):
            before = state[row] + model["embed"][tokens[:-1]]
            after = log_softmax(before @ model["out"])
            scores += [first[row, tokens[0]], *after[np.arange(len(tokens) - 1), tokens[1:]]]
        return Observations(
            split=split,
            sample_ids=[s.sample_id for s in samples],
            gold=[s.answer for s in samples],
            answers=[self._generate(model, row, at) for row, at in zip(state, first, strict=True)],
            token_logprobs=scores,
            token_counts=[len(tokens) for tokens in gold],
            next_logprobs=first,
            hidden=state,
            layer=LAYER,
            provenance={"backend": self.name, "checkpoint": model["checkpoint"]},
        )

    def _state(self, model, samples):
        """Return the mean state of each question and picture, padding left out."""
        questions = [encode(s.question) for s in samples]
        longest = max(map(len, questions))
        tokens = np.array([[0] * (longest - len(q)) + q for q in questions])
        mask = np.array([[0] * (longest - len(q)) + [1] * len(q) for q in questions])
        asked = (model["embed"][tokens] * mask[..., None]).sum(axis=1)
        seen = [np.asarray(s.image, dtype=np.float32).mean(axis=(0, 1)) / 255 for s in samples]
        return asked / mask.sum(axis=1, keepdims=True) + np.array(seen) @ model["image"]

    def _generate(self, model, state, logprobs):
        tokens = []
        for _ in range(LONGEST):
            token = int(np.argmax(logprobs))
            if token == END:
                break
            tokens.append(token)
            logprobs = (state + model["embed"][token]) @ model["out"]
        return "".join(LETTERS[t] for t in tokens)


def encode(text):
    return [max(LETTERS.find(c), 0) for c in text.lower()]


def log_softmax(logits):
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
