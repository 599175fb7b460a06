"""LLaVA: a vision tower whose patches stand in the prompt of a Llama-like language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from metareval_backends.fused import Decoder
from metareval_backends.handle import LoadedModel
from metareval_backends.tiny_tokenizer import example_texts, train_tokenizer
from metareval_backends.vision_language import VisionLanguageBackend

IMAGE = "<image>"


class Llava(VisionLanguageBackend):
    """LLaVA-1.5 and relatives (``LlavaForConditionalGeneration``).

    Examples
    --------
    >>> from metareval.testing import example_samples
    >>> from metareval_backends.llava import llava
    >>> seen = llava.observe(llava.tiny(), example_samples(3), split="forget")
    >>> seen.layer
    'model.language_model.layers.0'
    """

    name = "llava"
    model_class = LlavaForConditionalGeneration
    processor_class = LlavaProcessor
    placeholder_advice = (
        "Set the processor's patch_size, vision_feature_select_strategy and "
        "num_additional_image_tokens (1 for CLIP) as for the checkpoint."
    )

    def prompt(self, question: str, *, image: bool) -> str:
        """Return the prompt of LLaVA-1.5."""
        return f"USER: {IMAGE * image}{chr(10) * image}{question}\nASSISTANT:"

    def image_tokens(self, model: nn.Module) -> tuple[int, int]:
        """Return the placeholder's token id, and one placeholder for each patch."""
        config: Any = model.config
        vision = config.vision_config
        patches = (vision.image_size // vision.patch_size) ** 2
        whole = config.vision_feature_select_strategy != "default"
        return int(config.image_token_id), patches + whole

    def image_prompt(self, loaded: LoadedModel, prompt: list[int], pixels: Tensor) -> list[int]:
        """Return the tokens of a prompt, its placeholder repeated for each patch."""
        processor = loaded.processor
        repeated = processor.replace_image_token({"pixel_values": [pixels]}, 0)
        token = processor.image_token_id
        if prompt.count(token) != 1:
            return prompt
        at = prompt.index(token)
        return [*prompt[:at], *[token] * repeated.count(IMAGE), *prompt[at + 1 :]]

    def image_features(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """Return the projected patches of images."""
        features = model.get_image_features(pixels, return_dict=True)  # type: ignore[operator]
        return torch.stack(list(features.pooler_output))

    def decoder(self, model: nn.Module) -> Decoder:
        """Return the model itself: without pixels it takes embedded inputs."""
        return model

    def layers(self, model: nn.Module) -> str:
        """Return the name of the language model's layers."""
        del model
        return "model.language_model.layers"

    def tiny(self, seed: int = 0) -> LoadedModel:
        """Return an untrained model of two layers for images of 32 x 32."""
        return tiny_llava(example_texts(), seed=seed)


def tiny_llava(
    texts: Sequence[str],
    *,
    seed: int = 0,
    image_size: int = 32,
    patch_size: int = 8,
    width: int = 64,
    vision_layers: int = 2,
    text_layers: int = 2,
    vocabulary: int = 512,
) -> LoadedModel:
    """Build a small LLaVA with the real classes, offline.

    Parameters
    ----------
    texts : sequence of str
        Questions and answers that the tokenizer is trained on.
    seed : int
        Seed of the weights.
    image_size, patch_size : int
        In pixels.
    width : int
        Width of both towers; a multiple of 4.
    vision_layers, text_layers : int
    vocabulary : int
        Most tokens.

    Returns
    -------
    LoadedModel
        On the CPU, in float32.
    """
    prompts = [llava.prompt(text, image=False) for text in texts]
    tokenizer = train_tokenizer([*prompts, *texts], vocabulary=vocabulary, extra=[IMAGE])
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=vision_layers,
            num_attention_heads=4,
            image_size=image_size,
            patch_size=patch_size,
            projection_dim=width,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=text_layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=512,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        image_token_index=tokenizer.get_vocab()[IMAGE],
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": image_size},
            crop_size={"height": image_size, "width": image_size},
        ),
        tokenizer=tokenizer,
        patch_size=patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(config)
    return LoadedModel(model.eval(), processor, {"checkpoint": f"tiny llava, seed {seed}"})


llava = Llava()
