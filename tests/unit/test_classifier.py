"""Image classifiers of several families, adapters on them, and class names that clash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    ViTImageProcessorPil,
)

from metareval.errors import ArgumentError, LoadError, ObservationError
from metareval.protocols import Sample
from metareval.testing import example_samples
from metareval_backends.classifier import classifier, tiny_classifier
from metareval_backends.distance import weight_distance
from tests.tiny_checkpoints import adapted, save

LABELS = ("cat", "dog", "ship")
NAMES: dict[str, Any] = {"id2label": dict(enumerate(LABELS))}
SIZES: dict[str, Any] = {"hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 3, 1]}
# Width of the layer that is observed by default.
FAMILIES: dict[str, tuple[Any, int]] = {
    "resnet": (
        lambda: ResNetForImageClassification(
            ResNetConfig(embedding_size=8, layer_type="basic", **SIZES, **NAMES)
        ),
        16,
    ),
    "convnext": (
        lambda: ConvNextForImageClassification(ConvNextConfig(image_size=32, **SIZES, **NAMES)),
        16,
    ),
    "swin": (
        lambda: SwinForImageClassification(
            SwinConfig(
                image_size=32,
                patch_size=2,
                embed_dim=8,
                depths=[2, 2],
                num_heads=[2, 2],
                window_size=4,
                **NAMES,
            )
        ),
        16,
    ),
}


def pictures(n: int = 5) -> list[Sample]:
    rng = np.random.default_rng(0)
    return [
        Sample(
            f"{i}",
            f"{i}",
            "What is it?",
            LABELS[i % 3],
            rng.integers(0, 256, (40, 30, 3), np.uint8),
        )
        for i in range(n)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_families_of_classifiers(family: str, tmp_path: Path) -> None:
    make, width = FAMILIES[family]
    torch.manual_seed(0)
    model = make().eval()
    model.save_pretrained(tmp_path)
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path)
    samples = pictures()
    seen = classifier.observe(classifier.load(str(tmp_path)), samples, split="test", batch_size=2)
    assert seen.need("hidden").shape == (len(samples), width)
    for i, sample in enumerate(samples):
        pixels = processor([sample.image], return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            expected = torch.log_softmax(model(pixel_values=pixels).logits[0], dim=-1)
        np.testing.assert_allclose(seen.need("next_logprobs")[i], expected, atol=1e-5)
        assert seen.answers[i] == LABELS[int(expected.argmax())]
    assert classifier.weight_distance(str(tmp_path), str(tmp_path)) == 0


def test_images_are_prepared_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, sizes = tiny_classifier(LABELS), []
    prepare = type(loaded.processor).__call__

    def counted(self: Any, images: Any, **options: Any) -> Any:
        sizes.append(len(images))
        return prepare(self, images, **options)

    monkeypatch.setattr(type(loaded.processor), "__call__", counted)
    classifier.observe(loaded, pictures(7), split="test", batch_size=3)
    # All of a large split at once would not fit into memory.
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize("layer", ["vit", "vit.embeddings.patch_embeddings.projection"])
def test_layers_of_any_output(layer: str) -> None:
    loaded = tiny_classifier(LABELS)
    if layer == "vit":
        with pytest.raises(ArgumentError, match=r"layer='vit' .*BaseModelOutput"):
            classifier.observe(loaded, pictures(), split="test", layer=layer)
        return
    seen = classifier.observe(loaded, pictures(), split="test", layer=layer)
    assert seen.need("hidden").shape == (5, 32)


def test_a_layer_with_one_vector_for_each_image() -> None:
    loaded = tiny_classifier(LABELS)
    seen = classifier.observe(loaded, pictures(), split="test", layer="classifier")
    scores = torch.log_softmax(torch.from_numpy(seen.need("hidden").copy()), dim=-1)
    np.testing.assert_allclose(scores, seen.need("next_logprobs"), atol=1e-5)


def test_numbers_of_classes_with_a_gap() -> None:
    loaded = tiny_classifier(LABELS)
    loaded.model.config.id2label = {0: "cat", 1: "dog", 5: "ship"}  # type: ignore[union-attr]
    with pytest.raises(
        ObservationError, match=r"id2label .*\[0, 1, 5\]; expected those from 0 to 2"
    ):
        classifier.observe(loaded, pictures(), split="test")


def test_a_name_of_two_classes_is_no_gold_answer() -> None:
    # ImageNet has two classes "crane", the bird and the machine.
    loaded = tiny_classifier(["crane", "dog", "crane"])
    image = np.zeros((8, 8, 3), np.uint8)
    dog, crane = (Sample(a, a, "What is it?", a, image) for a in ("dog", "crane"))
    assert classifier.observe(loaded, [dog], split="test").gold == ("dog",)
    with pytest.raises(ObservationError, match=r"'crane' .*classes 0, 2"):
        classifier.observe(loaded, [dog, crane], split="test")


def vit_adapter(folder: Path, targets: list[str]) -> Any:
    made = adapted(tiny_classifier(LABELS).model, r=2, target_modules=targets)
    save(made, folder)
    return made


def test_adapters_are_told_from_files_with_older_names(tmp_path: Path) -> None:
    base, adapter, merged = (str(tmp_path / name) for name in ("base", "adapter", "merged"))
    loaded = tiny_classifier(LABELS)
    loaded.model.save_pretrained(base)
    loaded.processor.save_pretrained(base)
    targets = ["q_proj", "v_proj", "o_proj", "fc1", "fc2"]
    made = vit_adapter(tmp_path / "adapter", targets)
    save(made.merge_and_unload(), tmp_path / "merged")
    # On disk the base still has the names of older versions.
    assert any("attention.attention.query" in n for n in load_file(f"{base}/model.safetensors"))
    assert weight_distance(adapter, merged, base=base).distance < 1e-5
    assert weight_distance(adapter, base, base=base).distance > 0.1


def test_an_adapter_of_an_older_version_finds_its_modules(tmp_path: Path) -> None:
    base, adapter, old = (tmp_path / name for name in ("base", "adapter", "old"))
    loaded = tiny_classifier(LABELS)
    loaded.model.save_pretrained(base)
    loaded.processor.save_pretrained(base)
    vit_adapter(adapter, ["q_proj", "v_proj"])
    old.mkdir()
    (old / "adapter_config.json").write_text((adapter / "adapter_config.json").read_text())
    renamed = {
        name.replace(".layers.", ".encoder.layer.")
        .replace("attention.q_proj", "attention.attention.query")
        .replace("attention.v_proj", "attention.attention.value"): values
        for name, values in load_file(adapter / "adapter_model.safetensors").items()
    }
    save_file(renamed, old / "adapter_model.safetensors")
    new, older = (
        classifier.observe(classifier.load(str(a), base=str(base)), pictures(), split="test")
        for a in (adapter, old)
    )
    np.testing.assert_array_equal(new.need("next_logprobs"), older.need("next_logprobs"))
    assert weight_distance(str(adapter), str(old)).distance < 1e-6


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    loaded = tiny_classifier(LABELS)
    loaded.model.save_pretrained(tmp_path)
    with pytest.raises(LoadError, match="image processor"):
        classifier.load(str(tmp_path))
    with pytest.raises(ObservationError, match="is no class of the model; its classes are 'cat'"):
        classifier.observe(loaded, example_samples(2), split="test")
    text = Sample("t", "t", "What is it?", "cat")
    with pytest.raises(ObservationError, match="'t' has no image"):
        classifier.observe(loaded, [text], split="test")
