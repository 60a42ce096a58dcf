"""Digits in writing: which ones a text names, and how far two strings of them are apart. Pure."""

import re
from typing import Final

WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_VALUES: Final = {**{word: str(value) for value, word in enumerate(WORDS)}, "oh": "0"}


def digits_in(text: str) -> str:
    """Return the digits a text names, as figures or words; other words are passed over."""
    tokens = re.findall(r"[a-z]+|\d", text.lower())
    return "".join(token if token.isdigit() else _VALUES.get(token, "") for token in tokens)


def digit_errors(expected: str, heard: str) -> int:
    """Return how many digits were left out, put in or changed (Levenshtein distance)."""
    previous = list(range(len(heard) + 1))
    for row, wanted in enumerate(expected, 1):
        current = [row]
        for column, got in enumerate(heard, 1):
            substituted = previous[column - 1] + (wanted != got)
            current.append(min(previous[column] + 1, current[-1] + 1, substituted))
        previous = current
    return previous[-1]
