"""Questions about a device or a training, each with the verb that answers it: the answers need not agree."""

from __future__ import annotations

import dataclasses
from typing import final

Headline = tuple[str, str, str]
"""A number, what it is, and a remark or ""."""


@final
@dataclasses.dataclass(frozen=True)
class Question:
    """A question that a verb answers, in the words of its page and its terminal.

    Attributes:
        title: with "{}" for what the user called the device or the run.
        asks: the question within a sentence.
        verb: what answers it.
    """

    title: str
    asks: str
    verb: str

    def of(self, subject: str) -> str:
        """Return the title for a subject, of a path for its last part."""
        return self.title.format(subject.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])

    @property
    def beside(self) -> str:
        """What is asked, and what others ask, whose answers may differ."""
        others = "; ".join(f"{other.verb}, {other.asks}" for other in QUESTIONS if other != self)
        return f"Asked here is {self.asks}. Others ask something else, and may answer otherwise: {others}."


RULE = Question(
    "Which learning rule for {}?",
    "which learning rule brings one array of this device nearest to given weights",
    "mho device advise",
)
IMPROVEMENT = Question(
    "What to improve in {}?",
    "which property of the device or its array, better by itself, lowers the error of a short training most",
    "mho device improve",
)
TRAINING = Question(
    "Is it the device or the learning rate in {}?",
    "what spoils the training that was run",
    "the diagnosis of mho train",
)
QUESTIONS = (RULE, IMPROVEMENT, TRAINING)


def headlines_in_words(headlines: list[Headline]) -> str:
    """Return headline numbers as lines of a terminal."""
    width = max((len(number) for number, *_ in headlines), default=0)
    return "\n".join(
        f"{number:<{width}}  {what}" + (f" ({remark})" if remark else "") for number, what, remark in headlines
    )
