"""What a study's file may name, kept here so that it can be checked without importing torch."""

from __future__ import annotations

from collections.abc import Mapping

# Fields of metareval_backends.training.Schedule: the type of the value, its bound, and whether the
# bound itself is allowed.
SCHEDULE: Mapping[str, tuple[type, float, bool]] = {
    "epochs": (int, 1, True),
    "learning_rate": (float, 0, False),
    "batch_size": (int, 1, True),
    "weight_decay": (float, 0, True),
    "clip": (float, 0, False),
}
SCHEDULE_REQUIRED = ("epochs", "learning_rate")

# Keys of metareval_backends.unlearning.METHODS; others are named as module:function.
METHODS = (
    "gradient_ascent",
    "gradient_difference",
    "kl_minimisation",
    "npo",
    "random_labels",
    "finetune_retain",
    "salun",
    "salun_noise",
)

_VISION = ("image_size", "patch_size", "width", "vision_layers", "text_layers", "vocabulary")
# Backends with small models, and the keywords of tiny_llava, tiny_blip2 and tiny_classifier.
TINY: Mapping[str, tuple[str, ...]] = {
    "llava": _VISION,
    "blip2": (*_VISION, "query_tokens"),
    "classifier": ("image_size", "patch_size", "width", "layers"),
}

DTYPES = ("float32", "bfloat16", "float16")
