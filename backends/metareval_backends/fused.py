"""One forward pass for everything that is observed: scores, distribution, hidden state, answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import LlamaModel

from metareval.errors import ArgumentError
from metareval_backends.encoding import Batch

# transformers renamed the argument in which a decoder takes its cache.
CACHE = (
    "cache" if "cache" in inspect.signature(LlamaModel.forward).parameters else "past_key_values"
)


class Decoder(Protocol):
    """Calls the language model of an architecture on embedded inputs."""

    def __call__(self, *, inputs_embeds: Tensor, **inputs: Any) -> Any:
        """Return its output, with ``logits`` and the cache."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What one sample gave.

    Parameters
    ----------
    token_logprobs : array of float32, shape (gold tokens,)
    next_logprobs : array of float32, shape (vocabulary,)
    hidden : array of float32, shape (width,)
    answer : list of int
        Tokens of the greedy answer, without the one that ends it.
    """

    token_logprobs: NDArray[np.float32]
    next_logprobs: NDArray[np.float32]
    hidden: NDArray[np.float32]
    answer: list[int]


def fused_pass(
    decoder: Decoder,
    embed: Callable[[Tensor], Tensor],
    inputs_embeds: Tensor,
    batch: Batch,
    *,
    layer: nn.Module,
    layer_name: str,
    stops: frozenset[int],
    max_new_tokens: int,
) -> list[Seen]:
    """Score the gold answers and answer greedily, with one pass over prompts and gold answers.

    The logits at the gold tokens say where the greedy answer leaves the gold answer. Up to there
    the pass has computed the greedy answer too, and its cache serves to go on from there; an
    answer that equals the gold answer costs nothing more.

    Parameters
    ----------
    decoder : Decoder
    embed : callable
        Embeds token ids.
    inputs_embeds : Tensor, shape (batch, prompt + gold, width)
    batch : Batch
    layer : Module
        Layer whose output is averaged over the prompt.
    layer_name : str
        For messages.
    stops : frozenset of int
        Tokens that end an answer.
    max_new_tokens : int
        Most tokens of an answer.

    Returns
    -------
    list of Seen
        One for each sample of the batch.

    Raises
    ------
    ArgumentError
        The layer does not give a state for each token.
    """
    kept: list[Tensor] = []
    prompt_mask = batch.mask[:, : batch.width]

    def keep_mean(_module: nn.Module, _inputs: Any, output: Any) -> None:
        states = output[0] if isinstance(output, tuple) else output
        if not isinstance(states, Tensor) or states.shape[:-1] != batch.ids.shape:
            raise _no_states(layer_name, states)
        states = states[:, : batch.width]
        weights = prompt_mask.to(device=states.device, dtype=torch.float32)
        # Padding may hold anything, NaN included, which a weight of 0 would not remove.
        states = states.float().masked_fill(weights[..., None] == 0, 0.0)
        kept.append(states.sum(dim=1) / weights.sum(dim=1, keepdim=True))

    hook = layer.register_forward_hook(keep_mean)
    try:
        out = decoder(
            inputs_embeds=inputs_embeds,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=True,
            logits_to_keep=batch.gold.shape[1] + 1,
        )
    finally:
        hook.remove()
    if not kept:
        raise _no_states(layer_name, None)
    # Column j scores gold token j; the last column scores what follows a gold answer in full.
    logprobs = torch.log_softmax(out.logits.float(), dim=-1)
    scores = logprobs[:, :-1].gather(2, batch.gold.to(logprobs.device)[..., None])[..., 0]
    answers = _answers(
        decoder, embed, batch, getattr(out, CACHE), logprobs.argmax(dim=-1), stops, max_new_tokens
    )
    return [
        Seen(
            token_logprobs=scores[i, :count].cpu().numpy(),
            next_logprobs=logprobs[i, 0].cpu().numpy(),
            hidden=kept[0][i].cpu().numpy(),
            answer=answers[i],
        )
        for i, count in enumerate(batch.gold_counts)
    ]


def _no_states(layer_name: str, found: Any) -> ArgumentError:
    shape = f"of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
    gave = "is not run on the tokens" if found is None else f"gives an output {shape}"
    return ArgumentError(
        f"layer={layer_name!r} {gave}; expected a module of the language model with a state for "
        "each token, such as one of its layers."
    )


def _answers(
    decoder: Decoder,
    embed: Callable[[Tensor], Tensor],
    batch: Batch,
    cache: Any,
    greedy: Tensor,
    stops: frozenset[int],
    max_new_tokens: int,
) -> list[list[int]]:
    """Answer greedily from the point where each answer leaves the gold answer."""
    choices, gold = greedy.tolist(), batch.gold.tolist()
    answers: list[list[int]] = []
    shared: list[int] = []
    for row, count in enumerate(batch.gold_counts):
        agreed = 0
        while agreed < count and choices[row][agreed] == gold[row][agreed]:
            agreed += 1
        # A stop inside the gold answer ends the answer there too.
        answer = [*gold[row][:agreed], choices[row][agreed]]
        end = next((i for i, token in enumerate(answer) if token in stops), len(answer))
        answers.append(answer[: min(end, max_new_tokens)])
        shared.append(agreed if end == len(answer) and len(answer) < max_new_tokens else -1)
    rows = [row for row, agreed in enumerate(shared) if agreed >= 0]
    if not rows:
        return answers
    chosen = torch.tensor(rows, device=batch.ids.device)
    if len(rows) < len(answers):
        cache.batch_select_indices(chosen.to(greedy.device))
    # What the cache holds of the gold answer beyond the shared part is hidden, not removed.
    agreed_counts = torch.tensor([shared[row] for row in rows], device=batch.ids.device)
    columns = torch.arange(batch.gold.shape[1], device=batch.ids.device)
    mask = batch.mask[chosen].clone()
    mask[:, batch.width :] = (columns[None] < agreed_counts[:, None]).to(mask.dtype)
    positions = mask.sum(dim=1, keepdim=True)
    tokens = greedy.to(batch.ids.device)[chosen].gather(1, agreed_counts[:, None])
    running = set(rows)
    while running:
        mask = torch.cat([mask, torch.ones_like(tokens)], dim=1)
        out = decoder(
            inputs_embeds=embed(tokens),
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{CACHE: cache},
        )
        cache, positions = getattr(out, CACHE), positions + 1
        tokens = out.logits[:, -1:].argmax(dim=-1).to(batch.ids.device)
        for row, token in zip(rows, tokens[:, 0].tolist(), strict=True):
            if row not in running:
                continue
            if token in stops:
                running.discard(row)
                continue
            answers[row].append(token)
            if len(answers[row]) >= max_new_tokens:
                running.discard(row)
    return answers
