"""Harmless pseudo-English about railway points and routing, the same for the same seed and prompt."""

from __future__ import annotations

import random
import re

_PIECE = re.compile(r"\s*\S+")

SENTENCES = (
    "The points at the northern junction were set for the branch line before the first train of the morning.",
    "A careful pointsman looks twice at the lamp and once at the timetable.",
    "When two trains ask for the same track, the slower one waits in the loop.",
    "Every route begins with a question about where the load must go and how soon.",
    "The signal stayed at caution until the blades had moved fully across.",
    "Heavy freight takes the valley line, because a gentle gradient costs less coal.",
    "An express pays for the shorter way and expects the switches to be ready.",
    "If the bridge is closed, the diversion through the eastern yard adds nine minutes.",
    "Frost can hold a switch rail fast, so the heaters are lit before midnight.",
    "Nobody throws a lever while wheels are still passing over the frog.",
    "The interlocking refuses what would be dangerous and permits what is merely slow.",
    "A second platform does not help when both trains must cross the same diamond.",
    "The stationmaster counts the wagons as they leave and writes the number in the ledger.",
    "On quiet evenings the branch carries the parcels that are in no hurry.",
    "A good detour is one that the passengers hardly notice.",
    "The telegraph told the next box that the line was clear, and the arm went up.",
    "Spring switches return by themselves, yet somebody should watch that they do.",
    "With four tracks out of the city, the choice matters less than making it early.",
    "The relief driver continued from the very signal where the first had stopped.",
    "Short trains fill the gaps between long ones, if the dispatcher leaves any.",
    "It is cheaper to hold a train for a minute than to send it down the wrong line.",
    "The oldest lever in the frame still moves the points beside the water tower.",
    "Rain on the rails lengthens the braking distance and shortens tempers.",
    "At the summit the line divides, and the descent is equally fine on either side.",
)

WORDS = ("amber", "ballast", "crossing", "depot", "express", "ferry", "gradient", "harbour", "junction", "lantern")


def source(*parts: object) -> random.Random:
    """Chance that depends on `parts` alone, in every process alike."""
    return random.Random(":".join(map(str, parts)))  # noqa: S311 - play, not secrets


def prose(rng: random.Random, words: int) -> str:
    """Sentences of about `words` words in all, between half and one and a half of it; ends with a full stop."""
    wanted = max(1, round(words * rng.uniform(0.5, 1.5)))
    chosen: list[str] = []
    count = 0
    while count < wanted:
        for sentence in rng.sample(SENTENCES, len(SENTENCES)):
            chosen.append(sentence)
            count += len(sentence.split())
            if count >= wanted:
                break
    return " ".join(chosen)


def pieces(text: str) -> tuple[str, ...]:
    """The tokens: words, each with the white space before it. Joined they are `text` less trailing white space."""
    return tuple(_PIECE.findall(text))


def count(text: str) -> int:
    """How many tokens `text` has."""
    return len(text.split())
