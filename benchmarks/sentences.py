"""Pseudo-sentences of 5 to 40 words: the same in every run."""

import random

_TEXT = (
    "time year people way day man thing woman life child world school state family student group country problem hand "
    "part place case week company system program question work government number night point home water room mother "
    "area money story fact month lot right study book eye job word business issue side kind head house service friend"
)
WORDS = _TEXT.split()


def make_sentences(count: int, seed: int = 0) -> list[str]:
    """`count` sentences, 33 tokens on average."""
    random_numbers = random.Random(seed)
    return [" ".join(random_numbers.choices(WORDS, k=random_numbers.randint(5, 40))) for _ in range(count)]
