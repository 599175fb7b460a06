"""Turn user columns into clean arrays, or say which column and row stand in the way."""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.errors import TableError

FloatArray = NDArray[np.float64]

MISSING_TOKENS = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>"})
_LONGEST_TOKEN = max(map(len, MISSING_TOKENS))
# No float needs more; a text of megabytes is not looked through in each row that holds it.
_LONGEST_NUMBER = 2000


def number_column(values: pd.Series, *, name: str) -> FloatArray:
    """Return a column as float64, missing values as NaN.

    Raises
    ------
    TableError
        Where a value is not a number, or a text that only a reader could turn into one.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    if pd.api.types.is_complex_dtype(values.dtype):
        raise TableError(f"Column {name!r} holds complex numbers; a metric must be real.")
    if pd.api.types.is_datetime64_any_dtype(values.dtype) or pd.api.types.is_timedelta64_dtype(
        values.dtype
    ):
        raise TableError(
            f"Column {name!r} has dtype {values.dtype}; a metric must hold numbers. "
            "Convert it (for example to seconds) or leave it out with metrics=[...]."
        )
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        numeric = values.to_numpy(dtype=np.float64, na_value=np.nan)
        if pd.api.types.is_integer_dtype(values.dtype) and (np.abs(numeric) >= 2**53).any():
            _refuse_merged(values, numeric, name)
        return numeric
    out = np.empty(len(values))
    for position, value in enumerate(values.to_numpy(dtype=object)):
        if value is None or value is pd.NA or value is pd.NaT:
            out[position] = np.nan
        elif isinstance(value, numbers.Real) or type(value).__name__ == "Decimal":
            try:
                out[position] = float(value)
            except (OverflowError, ValueError) as exc:
                raise TableError(
                    f"Column {name!r}, row {row_label(values, position)}: {_show(value)} cannot be "
                    "held as a floating-point number."
                ) from exc
        else:
            raise TableError(
                f"Column {name!r} must hold numbers, but row {row_label(values, position)} "
                f"holds {_show(value)}. Write it as a number with a decimal point, or leave the "
                "cell empty where the value is missing."
            )
    return out


def _refuse_merged(values: pd.Series, numeric: FloatArray, name: str) -> None:
    """Refuse integers so large that different ones become one floating-point number."""
    if values.nunique() > len(np.unique(numeric[~np.isnan(numeric)])):
        raise TableError(
            f"Column {name!r} holds integers beyond 2**53 that differ by less than floating-point "
            "numbers can tell, so they would tie. Subtract a constant, or rank them first."
        )


def looks_numeric(values: pd.Series) -> bool:
    """Say whether a column holds at least one number (text that reads as one counts)."""
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return True
    for value in values.to_numpy(dtype=object):
        if isinstance(value, numbers.Number) and not (isinstance(value, float) and np.isnan(value)):
            return True
        if isinstance(value, str) and parse_number(value) is not None:
            return True
    return False


def parse_number(text: str) -> float | None:
    """Read a decimal number as Python writes it; None where the text is something else."""
    if len(text) > _LONGEST_NUMBER or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def parse_text_column(values: Sequence[str], *, name: str, where: Sequence[str]) -> Any:
    """Turn a column of texts into floats where every one is a number or marks a missing value.

    A column without a single number stays text. A column that mixes both is an error, since
    either reading of it would lose data.
    """
    out = np.empty(len(values))
    first_text: int | None = None
    any_number = False
    for position, value in enumerate(values):
        stripped = value.strip()
        number = parse_number(stripped)
        if number is not None and np.isinf(number) and "n" not in stripped.lower():
            raise TableError(
                f"Column {name!r}: {where[position]} holds {_show(stripped)}, which is too large "
                "for a floating-point number. Rescale the column, or write inf."
            )
        if number is not None:
            any_number = any_number or not np.isnan(number)
            out[position] = number
        elif len(stripped) <= _LONGEST_TOKEN and stripped.lower() in MISSING_TOKENS:
            out[position] = np.nan
        elif first_text is None:
            first_text = position
    if first_text is None:
        return out
    if not any_number:
        return list(values)
    raise TableError(
        f"Column {name!r} mixes numbers and text: {where[first_text]} holds "
        f"{_show(values[first_text])}. Write numbers with a decimal point and no thousands "
        "separator, and leave missing cells empty."
    )


def label_column(values: pd.Series, *, name: str, role: str) -> list[str]:
    """Return the labels of a role column as texts; a missing label is an error."""
    labels = []
    for position, value in enumerate(values.to_numpy(dtype=object)):
        if (
            value is None
            or value is pd.NA
            or value is pd.NaT
            or (isinstance(value, (float, np.floating)) and np.isnan(value))
        ):
            raise TableError(
                f"The {role} column {name!r} has no value in row {row_label(values, position)}. "
                f"Every row needs its {role}."
            )
        if isinstance(value, (float, np.floating)) and float(value).is_integer():
            value = int(value)
        try:
            labels.append(str(value))
        except ValueError as exc:  # an integer of thousands of digits
            raise TableError(
                f"The {role} column {name!r} holds {_show(value)} in row "
                f"{row_label(values, position)}, which cannot be a label. Write it as a text."
            ) from exc
    return labels


def row_label(values: pd.Series | pd.DataFrame, position: int) -> str:
    """Name a row for a message: its position, and its index label where that says more."""
    label: Hashable = values.index[position]
    # A missing label is neither equal nor unequal to anything.
    same = label is not pd.NA and label == position
    return f"{position}" if same else f"{position} ({_show(label)})"


def _show(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a huge number"
    return text if len(text) <= 60 else text[:57] + "..."
