"""What the vision-language backends record, against transformers' own ways to the same numbers."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from metareval.errors import ArgumentError, LoadError, ObservationError
from metareval.protocols import Sample
from metareval.testing import example_samples
from metareval_backends.blip2 import blip2, tiny_blip2
from metareval_backends.classifier import classifier
from metareval_backends.handle import LoadedModel
from metareval_backends.llava import llava, tiny_llava
from metareval_backends.training import Schedule, train
from metareval_backends.vision_language import VisionLanguageBackend

BOTH = pytest.mark.parametrize("backend", [llava, blip2], ids=["llava", "blip2"])

ANSWERS = ("Ada Lovelace of London", "red", "a small grey cat", "the old town")


def people() -> list[Sample]:
    """Two questions about each of six images, with answers of one to four words."""
    rng = np.random.default_rng(3)
    samples = []
    for i in range(6):
        blocks = rng.integers(0, 256, (4, 4, 3))
        image = np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)
        for j, question in enumerate(("Who is this?", "What is it like, all in all?")):
            answer = ANSWERS[(i + 2 * j) % len(ANSWERS)]
            samples.append(Sample(f"{i}-{j}", f"{i}", question, answer, image))
    return samples


@pytest.fixture(scope="module")
def trained() -> dict[str, LoadedModel]:
    samples = people()
    texts = [text for s in samples for text in (s.question, f" {s.answer}")]
    models = {"llava": tiny_llava(texts), "blip2": tiny_blip2(texts)}
    for name, backend in (("llava", llava), ("blip2", blip2)):
        rng = np.random.default_rng(0)
        train(backend, models[name], samples, Schedule(140, 2e-3, 6), rng=rng)
    return models


def official(loaded: LoadedModel, backend: VisionLanguageBackend, sample: Sample) -> Any:
    """Score one sample with the model's own forward pass, without padding or cache."""
    encoded = backend.encode(loaded, [sample])[0]
    ids = torch.tensor([[*encoded.prompt, *encoded.gold]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.inference_mode():
        out = loaded.model(**inputs, pixel_values=encoded.pixels[None], output_hidden_states=True)
    logits = out.logits[0, len(encoded.prompt) - 1 : -1].float()
    logprobs = torch.log_softmax(logits, -1)
    inner = getattr(out, "language_model_outputs", out)
    hidden = inner.hidden_states[-2][0, : len(encoded.prompt)].mean(0)
    return logprobs[range(len(encoded.gold)), encoded.gold], logprobs[0], hidden


@BOTH
def test_numbers_are_those_of_the_models_own_forward_pass(
    backend: VisionLanguageBackend, trained: dict[str, LoadedModel]
) -> None:
    loaded, samples = trained[backend.name], people()
    seen = backend.observe(loaded, samples, split="retain", batch_size=5)
    for i, sample in enumerate(samples):
        tokens, following, hidden = official(loaded, backend, sample)
        # Padding changes the order of sums, which moves float32 results by about 1e-6.
        np.testing.assert_allclose(seen.logprobs_of(i), tokens, atol=1e-4)
        np.testing.assert_allclose(seen.need("next_logprobs")[i], following, atol=1e-4)
        np.testing.assert_allclose(seen.need("hidden")[i], hidden, atol=1e-4)


@BOTH
def test_answers_are_those_that_generate_gives(
    backend: VisionLanguageBackend, trained: dict[str, LoadedModel]
) -> None:
    for loaded in (trained[backend.name], backend.tiny(4)):
        samples = people()
        seen = backend.observe(loaded, samples, split="forget", batch_size=7)
        tokenizer = loaded.processor.tokenizer
        for sample, answer in zip(samples, seen.answers, strict=True):
            encoded = backend.encode(loaded, [sample])[0]
            ids = torch.tensor([encoded.prompt])
            made = loaded.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                pixel_values=encoded.pixels[None],
                max_new_tokens=backend.max_new_tokens,
                do_sample=False,
            )
            new = made[0][ids.shape[1] :]
            assert answer == tokenizer.decode(new, skip_special_tokens=True).strip()


@BOTH
def test_a_trained_model_gives_gold_answers_and_scores_them_highly(
    backend: VisionLanguageBackend, trained: dict[str, LoadedModel]
) -> None:
    seen = backend.observe(trained[backend.name], people(), split="retain")
    counts = seen.need("token_counts")
    assert counts.min() == 1
    assert counts.max() >= 3
    right = [a == g for a, g in zip(seen.answers, seen.gold, strict=True)]
    # Where every gold token has a probability above one half, greedy answers begin with them.
    sure = [bool((seen.logprobs_of(i) > np.log(0.5)).all()) for i in range(seen.n)]
    assert all(a.startswith(g) for a, g, s in zip(seen.answers, seen.gold, sure, strict=True) if s)
    assert np.mean(right) > 0.9
    assert np.mean(sure) > 0.9


@BOTH
def test_questions_about_text_alone_stand_beside_those_with_images(
    backend: VisionLanguageBackend,
) -> None:
    samples = [*example_samples(3), Sample("t1", "t", "Who wrote it?", "Ada Lovelace")]
    loaded = backend.tiny()
    seen = backend.observe(loaded, samples, split="test", batch_size=4)
    alone = backend.observe(loaded, samples[3:], split="test")
    assert seen.answers[3] == alone.answers[0]
    np.testing.assert_allclose(
        seen.need("next_logprobs")[3], alone.need("next_logprobs")[0], atol=1e-4
    )


@BOTH
def test_the_image_matters(backend: VisionLanguageBackend, trained: dict[str, LoadedModel]) -> None:
    first, *_ = people()
    black = Sample("black", "x", first.question, first.answer, Image.new("RGB", (32, 32)))
    seen = backend.observe(trained[backend.name], [first, black], split="test")
    rows = seen.need("next_logprobs")
    assert np.abs(rows[0] - rows[1]).max() > 0.1


@BOTH
def test_images_that_are_shared_are_looked_at_once(
    backend: VisionLanguageBackend,
    trained: dict[str, LoadedModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []
    features = type(backend).image_features

    def counted(self: Any, model: Any, pixels: torch.Tensor) -> torch.Tensor:
        looked.append(len(pixels))
        return features(self, model, pixels)

    monkeypatch.setattr(type(backend), "image_features", counted)
    loaded, samples = trained[backend.name], people()
    once = backend.observe(loaded, samples, split="test", batch_size=5)
    assert sum(looked) == len(samples) / 2
    monkeypatch.setattr("metareval_backends.vision_language.MOST_FEATURE_BYTES", 0)
    looked.clear()
    each = backend.observe(loaded, samples, split="test", batch_size=5)
    assert sum(looked) > len(samples) / 2
    np.testing.assert_allclose(once.need("hidden"), each.need("hidden"), atol=1e-4)


@BOTH
def test_precision_can_be_chosen(backend: VisionLanguageBackend, tmp_path: Path) -> None:
    made = backend.tiny()
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    half = backend.load(str(tmp_path), dtype="bfloat16")
    assert half.dtype == torch.bfloat16
    exact = backend.observe(made, example_samples(4), split="test")
    rough = backend.observe(half, example_samples(4), split="test")
    assert rough.provenance["dtype"] == "bfloat16"
    # bfloat16 keeps eight bits: about 0.4% of numbers of size up to 7.
    np.testing.assert_allclose(
        rough.need("next_logprobs"), exact.need("next_logprobs"), atol=0.1, rtol=0.02
    )
    with pytest.raises(ArgumentError, match="float32"):
        backend.load(str(tmp_path), dtype="float64")
    with pytest.raises(ArgumentError, match="device='cuda:99'"):
        backend.load(str(tmp_path), device="cuda:99")


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    made = llava.tiny()
    made.model.save_pretrained(tmp_path)
    with pytest.raises(LoadError, match="blip2 runs Blip2ForConditionalGeneration"):
        blip2.load(str(tmp_path))
    with pytest.raises(LoadError, match="has no processor"):
        llava.load(str(tmp_path))


def test_a_processor_may_come_from_the_base(tmp_path: Path) -> None:
    made = llava.tiny()
    base, full = tmp_path / "base", tmp_path / "full"
    made.model.save_pretrained(base)
    made.processor.save_pretrained(base)
    made.model.save_pretrained(full)
    seen = llava.observe(llava.load(str(full), base=str(base)), example_samples(2), split="test")
    assert seen.provenance["base"] == str(base)


def test_a_processor_without_query_tokens_is_refused(tmp_path: Path) -> None:
    made = blip2.tiny()
    made.model.save_pretrained(tmp_path)
    made.processor.num_query_tokens = None
    made.processor.save_pretrained(tmp_path)
    loaded = blip2.load(str(tmp_path))
    with pytest.raises(ObservationError, match=r"puts 0 image placeholders .* num_query_tokens"):
        blip2.observe(loaded, example_samples(2), split="test")


def test_a_llava_processor_with_wrong_settings_is_refused() -> None:
    made = llava.tiny()
    made.processor.num_additional_image_tokens = 0
    with pytest.raises(ObservationError, match=r"15 image placeholders .* expects 16"):
        llava.observe(made, example_samples(2), split="test")


def test_a_damaged_processor_is_an_error_that_names_it(tmp_path: Path) -> None:
    made = llava.tiny()
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "trunc')
    with pytest.raises(LoadError, match=f"processor in '{tmp_path}'"):
        llava.load(str(tmp_path))


def test_bad_samples_are_errors_that_name_them() -> None:
    loaded = llava.tiny()
    for image, match in ((np.zeros((4, 4)), "'odd' is an array of shape"), ("x.png", "'odd'")):
        odd = Sample("odd", "s", "Who?", "Ada", image)
        with pytest.raises(ObservationError, match=match):
            llava.observe(loaded, [odd], split="test")
    empty = Sample("empty", "s", "Who?", " ", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ObservationError, match="'empty' has an empty gold answer"):
        llava.observe(loaded, [empty], split="test")


def test_a_layer_is_chosen_by_name() -> None:
    loaded = llava.tiny()
    name = "model.language_model.layers.1"
    seen = llava.observe(loaded, example_samples(2), split="test", layer=name)
    assert seen.layer == name
    with pytest.raises(ArgumentError, match=r"Unknown layer 'layers\.9'"):
        llava.observe(loaded, example_samples(2), split="test", layer="layers.9")


def test_memory_that_runs_out_makes_batches_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, samples = llava.tiny(), example_samples(7)
    whole = llava.observe(loaded, samples, split="test")
    sizes: list[int] = []
    collate = type(llava).collate

    def small(self: Any, model: LoadedModel, chosen: Any) -> Any:
        sizes.append(len(chosen))
        if len(chosen) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return collate(self, model, chosen)

    monkeypatch.setattr(type(llava), "collate", small)
    seen = llava.observe(loaded, samples, split="test")
    assert sizes[:3] == [7, 3, 1]
    assert seen.answers == whole.answers
    with pytest.raises(MemoryError, match="A batch of 7 samples is too large"):
        llava.observe(loaded, samples, split="test", batch_size=7)
    with pytest.raises(ArgumentError, match="batch_size=0"):
        llava.observe(loaded, samples, split="test", batch_size=0)


def test_observing_leaves_the_model_as_it_was() -> None:
    loaded = llava.tiny()
    loaded.model.train()
    _, layer = llava.layer(loaded.model, None)
    hooks = dict(layer._forward_hooks)
    before = {name: p.clone() for name, p in loaded.model.named_parameters()}
    llava.observe(loaded, example_samples(2), split="test")
    assert loaded.model.training
    assert all(torch.equal(p, before[name]) for name, p in loaded.model.named_parameters())
    assert layer._forward_hooks == hooks


@pytest.mark.gpu
@BOTH
def test_a_gpu_gives_what_a_cpu_gives(backend: VisionLanguageBackend, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU: torch.cuda.is_available() is false")
    made = backend.tiny()
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    here = backend.observe(made, example_samples(5), split="test")
    there = backend.observe(
        backend.load(str(tmp_path), dtype="float32", device="cuda"),
        example_samples(5),
        split="test",
    )
    np.testing.assert_allclose(
        here.need("next_logprobs"), there.need("next_logprobs"), atol=1e-3, rtol=1e-3
    )
    shutil.rmtree(tmp_path)


@BOTH
@pytest.mark.parametrize("part", ["question", "answer"])
@pytest.mark.parametrize("with_image", [True, False])
def test_text_that_stands_for_an_image_is_refused(
    backend: VisionLanguageBackend, part: str, with_image: bool
) -> None:
    first, second = example_samples(2)
    odd = replace(first, **{part: "see <image> there"})
    if not with_image:
        odd, second = replace(odd, image=None), replace(second, image=None)
    with pytest.raises(ObservationError, match=f"{part} of sample 'sample-0' holds '<image>'"):
        backend.observe(backend.tiny(), [odd, second], split="test")


@BOTH
def test_samples_beyond_the_models_positions_are_refused(backend: VisionLanguageBackend) -> None:
    loaded = backend.tiny()
    limit = loaded.model.config.get_text_config().max_position_embeddings  # type: ignore[union-attr]
    first, second = example_samples(2)
    for odd in (replace(first, answer="word " * 600), replace(first, question="word " * 600)):
        with pytest.raises(ObservationError, match=rf"'sample-0' .* tokens.* {limit}"):
            backend.observe(loaded, [second, odd], split="test")
    # An answer may take as many tokens as are given at most, whatever the gold answer takes.
    prompt = len(backend.encode(loaded, [replace(first, question="~")])[0].prompt)
    room = limit - prompt - (backend.max_new_tokens - 1)
    fits, beyond = (replace(first, question="~" * (1 + room + more)) for more in (0, 1))
    assert backend.observe(loaded, [fits, second], split="test").n == 2
    with pytest.raises(ObservationError, match=f"{limit + 1} tokens"):
        backend.observe(loaded, [beyond], split="test")


@pytest.mark.parametrize("size", [2.5, "8", "x", True, 0])
def test_batch_sizes_that_are_none(size: Any) -> None:
    with pytest.raises(ArgumentError, match="expected a positive whole number"):
        llava.observe(llava.tiny(), example_samples(3), split="test", batch_size=size)


@pytest.mark.parametrize(
    ("backend", "layer"),
    [
        (llava, "lm_head"),
        (llava, "model.language_model"),
        (llava, "model.language_model.embed_tokens"),
        (llava, "model.vision_tower.encoder.layers.0"),
        (blip2, "language_model.model.decoder.layers.0.fc1"),
        (blip2, "qformer.encoder.layer.0"),
    ],
)
def test_layers_without_a_state_for_each_token(backend: VisionLanguageBackend, layer: str) -> None:
    with pytest.raises(ArgumentError, match=rf"layer='{layer}' .* state for each token"):
        backend.observe(backend.tiny(), example_samples(3), split="test", layer=layer)


@pytest.mark.parametrize("backend", [llava, classifier], ids=["llava", "classifier"])
def test_an_image_that_cannot_be_decoded_is_named(backend: Any) -> None:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    broken = Image.open(io.BytesIO(stream.getvalue()[:3000]))
    odd = replace(example_samples(1)[0], image=broken)
    with pytest.raises(ObservationError, match=r"image of sample 'sample-0' .*truncated"):
        backend.observe(backend.tiny(), [odd], split="test")
