"""BLIP-2: a Q-Former whose query outputs stand before the prompt of an OPT language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipImageProcessorPil,
    OPTConfig,
)

from metareval.errors import LoadError
from metareval_backends.fused import Decoder
from metareval_backends.handle import LoadedModel
from metareval_backends.tiny_tokenizer import example_texts, train_tokenizer
from metareval_backends.vision_language import VisionLanguageBackend

# Untrained query tokens are zero and nearly equal weights, from which no image can be told.
VISION_STD = 0.2


class Blip2(VisionLanguageBackend):
    """BLIP-2 with a decoder-only language model (``Blip2ForConditionalGeneration``).

    Examples
    --------
    >>> from metareval.testing import example_samples
    >>> from metareval_backends.blip2 import blip2
    >>> seen = blip2.observe(blip2.tiny(), example_samples(3), split="forget")
    >>> seen.layer
    'language_model.model.decoder.layers.0'
    """

    name = "blip2"
    model_class = Blip2ForConditionalGeneration
    processor_class = Blip2Processor
    placeholder_advice = (
        "Set num_query_tokens in processor_config.json to the num_query_tokens of config.json."
    )

    def check_config(self, config: Mapping[str, Any], name: str) -> None:
        """Refuse other architectures, and language models with an encoder."""
        super().check_config(config, name)
        text = config.get("text_config") or {}
        kind = text.get("model_type", "opt")
        if not config.get("use_decoder_only_language_model", True) or kind in ("t5", "bart"):
            raise LoadError(
                f"The checkpoint {name!r} has a {kind} language model with an encoder; the backend "
                "blip2 runs decoder-only ones (OPT), whose prompt and answer are one sequence."
            )

    def prompt(self, question: str, *, image: bool) -> str:
        """Return the prompt for questions; the image stands before it."""
        del image
        return f"Question: {question} Answer:"

    def image_tokens(self, model: nn.Module) -> tuple[int, int]:
        """Return the placeholder's token id, and one placeholder for each query token."""
        config: Any = model.config
        return int(config.image_token_id), int(config.num_query_tokens)

    def image_prompt(self, loaded: LoadedModel, prompt: list[int], pixels: Tensor) -> list[int]:
        """Return the tokens of a prompt after the placeholders of its image."""
        del pixels
        processor = loaded.processor
        token = processor.tokenizer.convert_tokens_to_ids(str(processor.image_token))
        return [token] * (processor.num_query_tokens or 0) + prompt

    def image_features(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """Return the projected query outputs of images."""
        features = model.get_image_features(pixels, return_dict=True)  # type: ignore[operator]
        out: Tensor = features.pooler_output
        return out

    def decoder(self, model: nn.Module) -> Decoder:
        """Return the language model inside."""
        return model.get_submodule("language_model")

    def layers(self, model: nn.Module) -> str:
        """Return the name of the language model's layers."""
        del model
        return "language_model.model.decoder.layers"

    def tiny(self, seed: int = 0) -> LoadedModel:
        """Return an untrained model of two layers for images of 32 x 32."""
        return tiny_blip2(example_texts(), seed=seed)


def tiny_blip2(
    texts: Sequence[str],
    *,
    seed: int = 0,
    image_size: int = 32,
    patch_size: int = 8,
    width: int = 64,
    vision_layers: int = 2,
    text_layers: int = 2,
    query_tokens: int = 8,
    vocabulary: int = 512,
) -> LoadedModel:
    """Build a small BLIP-2 with the real classes, offline.

    Weights of the vision tower, the Q-Former and the query tokens are drawn with a standard
    deviation of 0.2: with the classes' own start (0.02 or less, query tokens of zero) such small
    models do not learn to tell images apart.

    Parameters
    ----------
    texts : sequence of str
        Questions and answers that the tokenizer is trained on.
    seed : int
        Seed of the weights.
    image_size, patch_size : int
        In pixels.
    width : int
        Width of all three parts; a multiple of 4.
    vision_layers, text_layers : int
    query_tokens : int
        Vectors that stand for an image.
    vocabulary : int
        Most tokens.

    Returns
    -------
    LoadedModel
        On the CPU, in float32.
    """
    prompts = [blip2.prompt(text, image=False) for text in texts]
    tokenizer = train_tokenizer([*prompts, *texts], vocabulary=vocabulary)
    processor = Blip2Processor(
        BlipImageProcessorPil(size={"height": image_size, "width": image_size}),
        tokenizer,
        num_query_tokens=query_tokens,
    )
    config = Blip2Config(
        vision_config=Blip2VisionConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=vision_layers,
            num_attention_heads=4,
            image_size=image_size,
            patch_size=patch_size,
        ),
        qformer_config=Blip2QFormerConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=4,
            encoder_hidden_size=width,
            vocab_size=8,
            cross_attention_frequency=1,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        ),
        text_config=OPTConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            ffn_dim=2 * width,
            num_hidden_layers=text_layers,
            num_attention_heads=4,
            word_embed_proj_dim=width,
            max_position_embeddings=512,
            dropout=0.0,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        num_query_tokens=query_tokens,
        image_token_index=tokenizer.get_vocab()[str(processor.image_token)],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Blip2ForConditionalGeneration(config)
        with torch.no_grad():
            model.query_tokens.normal_(0.0, VISION_STD)
            for part in (model.vision_model, model.qformer):
                for name, weight in part.named_parameters():
                    if weight.ndim > 1 and "norm" not in name.lower():
                        weight.normal_(0.0, VISION_STD)
    return LoadedModel(model.eval(), processor, {"checkpoint": f"tiny blip2, seed {seed}"})


blip2 = Blip2()
