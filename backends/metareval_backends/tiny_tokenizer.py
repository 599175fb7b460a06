"""A small tokenizer, trained on the spot, that loses no text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from metareval.testing import example_samples

PAD, START, END = "<pad>", "<s>", "</s>"


def example_texts() -> list[str]:
    """Return the texts that tiny models for tests are made for."""
    return [text for s in example_samples() for text in (s.question, f" {s.answer}")]


def train_tokenizer(
    texts: Iterable[str], *, vocabulary: int = 512, extra: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer.

    Bytes are its alphabet, so that no word becomes an unknown token: a tokenizer of words would
    merge all words it has not seen into one.

    Parameters
    ----------
    texts : iterable of str
        Texts whose words should become single tokens.
    vocabulary : int
        Most tokens; at least the 256 bytes and the special tokens are there.
    extra : sequence of str
        Further special tokens, such as the placeholder of an image.

    Returns
    -------
    PreTrainedTokenizerFast
        Puts ``<s>`` before every text.

    Examples
    --------
    >>> tokenizer = train_tokenizer(["USER: Who is this?"])
    >>> tokenizer.decode(tokenizer("Zoë?")["input_ids"], skip_special_tokens=True)
    'Zoë?'
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END, *extra],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, tokenizer.token_to_id(START))]
    )
    image = {"extra_special_tokens": {"image_token": extra[0]}} if extra else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        clean_up_tokenization_spaces=False,
        **image,
    )
