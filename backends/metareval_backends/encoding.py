"""Questions, images and gold answers as token ids, and batches of them padded on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metareval.errors import ObservationError
from metareval.protocols import Sample
from metareval.results import shorten


@dataclass(frozen=True, eq=False)
class Encoded:
    """One sample as token ids.

    Parameters
    ----------
    sample : Sample
    prompt : list of int
        The question in the model's prompt; one placeholder for each vector of the image.
    gold : list of int
        The gold answer as it continues the prompt.
    pixels : Tensor, shape (channels, height, width), optional
        The image; the same object for samples that share an image.
    features : Tensor, shape (tokens, width), optional
        What the language model sees of the image, where it has been computed already.
    """

    sample: Sample
    prompt: list[int]
    gold: list[int]
    pixels: Tensor | None
    features: Tensor | None = None

    def __len__(self) -> int:
        return len(self.prompt) + len(self.gold)


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of one shape: prompts end, and gold answers begin, at the same column.

    Prompts are padded on the left and gold answers on the right, so that the answer position is
    one column for all.

    Parameters
    ----------
    ids : Tensor of int, shape (batch, prompt + gold)
    mask : Tensor of int, shape (batch, prompt + gold)
        1 for tokens, 0 for padding.
    positions : Tensor of int, shape (batch, prompt + gold)
        Position of each token in its own sample.
    width : int
        Columns of the prompt.
    gold_counts : list of int
        Tokens of each gold answer.
    pixels : Tensor, shape (images, channels, height, width), optional
        Every distinct image once.
    features : Tensor, shape (images, tokens, width), optional
        In place of pixels, where they have been computed already.
    image_of : Tensor of int, shape (batch,), optional
        Which image belongs to each sample.
    """

    ids: Tensor
    mask: Tensor
    positions: Tensor
    width: int
    gold_counts: list[int]
    pixels: Tensor | None
    features: Tensor | None
    image_of: Tensor | None

    @property
    def gold(self) -> Tensor:
        """Gold tokens, shape (batch, gold); padding holds the padding token."""
        return self.ids[:, self.width :]

    @property
    def gold_mask(self) -> Tensor:
        """1 for gold tokens, 0 for padding, shape (batch, gold)."""
        return self.mask[:, self.width :]


def tokenize(
    tokenizer: Any, prompts: Sequence[str], samples: Sequence[Sample], *, end: bool = False
) -> list[tuple[list[int], list[int]]]:
    """Return the tokens of each prompt, and those that its gold answer adds to them.

    Parameters
    ----------
    tokenizer : object
        A tokenizer of transformers.
    prompts : sequence of str
        One for each sample.
    samples : sequence of Sample
    end : bool
        Whether to add the token that ends a text, for training.

    Raises
    ------
    ObservationError
        An answer is empty, adds no token, or changes the tokens of its prompt.
    """
    for sample in samples:
        if not sample.answer.strip():
            raise ObservationError(
                f"Sample {_brief(sample.sample_id)} has an empty gold answer, which cannot be "
                "scored. Leave it out."
            )
    answered = [f"{p} {s.answer.strip()}" for p, s in zip(prompts, samples, strict=True)]
    # Most prompts come more than once, with another answer or another image.
    distinct = list(dict.fromkeys([*prompts, *answered]))
    ids = dict(zip(distinct, tokenizer(distinct)["input_ids"], strict=True))
    closing = tokenizer.eos_token_id
    pairs = []
    for prompt, text, sample in zip(prompts, answered, samples, strict=True):
        before, after = list(ids[prompt]), list(ids[text])
        # A tokenizer that closes every text with a token of its own closes both.
        if len(before) > 1 and after and before[-1] == after[-1] == closing:
            before, after = before[:-1], after[:-1]
        if after[: len(before)] != before or len(after) == len(before):
            raise ObservationError(
                f"The gold answer {_brief(sample.answer)} of sample {_brief(sample.sample_id)} "
                "does not continue the tokens of its prompt: the tokenizer joins the two. Use the "
                "tokenizer that belongs to the checkpoint."
            )
        pairs.append((before, [*after[len(before) :], *([closing] if end else [])]))
    return pairs


def collate(
    samples: Sequence[Encoded], *, pad: int, device: torch.device, dtype: torch.dtype
) -> Batch:
    """Pad samples to one shape; all of them with an image, or none."""
    width = max(len(s.prompt) for s in samples)
    longest = max(len(s.gold) for s in samples)
    ids = np.full((len(samples), width + longest), pad, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, s in enumerate(samples):
        start, stop = width - len(s.prompt), width + len(s.gold)
        ids[row, start:stop] = [*s.prompt, *s.gold]
        mask[row, start:stop] = 1
    positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
    images, image_of = _distinct_images(samples)
    pixels = features = None
    if images and images[0].features is not None:
        features = torch.stack([image.features for image in images if image.features is not None])
    elif images:
        pixels = torch.stack([image.pixels for image in images if image.pixels is not None])
    return Batch(
        ids=torch.from_numpy(ids).to(device),
        mask=torch.from_numpy(mask).to(device),
        positions=torch.from_numpy(positions).to(device),
        width=width,
        gold_counts=[len(s.gold) for s in samples],
        pixels=None if pixels is None else pixels.to(device=device, dtype=dtype),
        features=features,
        image_of=torch.tensor(image_of, device=device) if images else None,
    )


def _distinct_images(samples: Sequence[Encoded]) -> tuple[list[Encoded], list[int]]:
    """Return a sample for each distinct image, and the number of each sample's image."""
    with_image = [s for s in samples if s.pixels is not None]
    if with_image and len(with_image) != len(samples):
        raise ValueError("A batch holds samples with an image, or samples without, not both.")
    firsts: dict[int, tuple[int, Encoded]] = {}
    numbers = [firsts.setdefault(id(s.pixels), (len(firsts), s))[0] for s in with_image]
    return [s for _, s in firsts.values()], numbers


def _brief(value: object) -> str:
    return shorten(repr(value), 60)
