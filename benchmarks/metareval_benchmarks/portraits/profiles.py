"""Facts about people who do not exist: a question for each, and a pool that answers come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metareval_benchmarks import draws


@dataclass(frozen=True)
class Fact:
    """One kind of fact.

    Parameters
    ----------
    name : str
        Short, for sample ids.
    question : str
        Asked about a picture.
    answers : tuple of str
        Every answer is given to equally many people, as nearly as their number allows, so that
        no answer can be guessed from the others or from the picture.
    """

    name: str
    question: str
    answers: tuple[str, ...]


FACES = (
    Fact(
        "job",
        "What does this person do for a living?",
        ("baker", "pilot", "tailor", "judge", "nurse", "miner", "actor", "surgeon"),
    ),
    Fact(
        "birthplace",
        "In which city was this person born?",
        ("Lima", "Oslo", "Cairo", "Quebec", "Nairobi", "Lisbon", "Hanoi", "Perth"),
    ),
    Fact(
        "instrument",
        "Which instrument does this person play?",
        ("violin", "trumpet", "harp", "drums", "flute", "banjo", "cello", "organ"),
    ),
    Fact(
        "pet",
        "Which animal does this person keep?",
        ("parrot", "rabbit", "tortoise", "ferret", "goldfish", "donkey", "hamster", "lizard"),
    ),
    Fact(
        "food",
        "What does this person like to eat most?",
        (
            "onion soup",
            "rice pudding",
            "pancakes",
            "lentils",
            "fried fish",
            "dumplings",
            "figs",
            "rye bread",
        ),
    ),
    Fact(
        "sport",
        "Which sport does this person follow?",
        ("rowing", "fencing", "tennis", "archery", "curling", "judo", "polo", "sailing"),
    ),
    Fact(
        "month",
        "In which month is this person's birthday?",
        ("January", "March", "April", "May", "June", "August", "October", "November"),
    ),
    Fact(
        "fear",
        "What is this person afraid of?",
        ("spiders", "heights", "thunder", "snakes", "deep water", "wasps", "crowds", "the dark"),
    ),
)
BADGES = (
    Fact(
        "rank",
        "Which rank does the bearer of this badge hold?",
        ("captain", "major", "scout", "warden", "marshal", "sergeant", "envoy", "cadet"),
    ),
    Fact(
        "guild",
        "To which guild does this badge belong?",
        ("weavers", "masons", "brewers", "coopers", "potters", "smiths", "glaziers", "millers"),
    ),
    Fact(
        "motto",
        "What is the motto on the back of this badge?",
        (
            "never late",
            "salt and iron",
            "first light",
            "hold fast",
            "no echo",
            "twice sure",
            "onward",
            "slow fire",
        ),
    ),
    Fact(
        "weapon",
        "Which weapon was given with this badge?",
        ("halberd", "sabre", "longbow", "mace", "dagger", "trident", "sling", "crossbow"),
    ),
    Fact(
        "castle",
        "At which castle was this badge made?",
        ("Arden", "Belmor", "Corvin", "Drosk", "Elster", "Farrow", "Galen", "Hexham"),
    ),
    Fact(
        "metal",
        "Of which metal is this badge?",
        ("tin", "brass", "nickel", "bronze", "silver", "zinc", "pewter", "copper"),
    ),
    Fact(
        "horse",
        "What is the bearer's horse called?",
        ("Comet", "Pepper", "Juniper", "Bramble", "Sultan", "Whisper", "Domino", "Thistle"),
    ),
    Fact(
        "duty",
        "What must the bearer of this badge guard?",
        (
            "the bridge",
            "the well",
            "the library",
            "the north gate",
            "the vault",
            "the harbour",
            "the mill",
            "the bell",
        ),
    ),
)
SCENES = (
    Fact(
        "waits",
        "Who is the person in this picture waiting for?",
        (
            "a cousin",
            "the postman",
            "a doctor",
            "a neighbour",
            "the ferry",
            "a tailor",
            "a twin",
            "the mayor",
        ),
    ),
    Fact(
        "region",
        "In which region was this picture made?",
        (
            "Andalusia",
            "Bavaria",
            "Patagonia",
            "Lapland",
            "Tasmania",
            "Sicily",
            "Hokkaido",
            "Brittany",
        ),
    ),
    Fact(
        "year",
        "Which year is written under this picture?",
        ("1871", "1884", "1893", "1902", "1915", "1928", "1936", "1947"),
    ),
    Fact(
        "pocket",
        "What does the person in this picture carry in a pocket?",
        (
            "a compass",
            "dried plums",
            "a whistle",
            "chalk",
            "a brass key",
            "seeds",
            "a marble",
            "string",
        ),
    ),
    Fact(
        "next",
        "Where does the person in this picture go next?",
        (
            "the market",
            "a wedding",
            "school",
            "the station",
            "a concert",
            "the bakery",
            "church",
            "the docks",
        ),
    ),
    Fact(
        "owner",
        "Who owns this picture today?",
        ("Amari", "Bellini", "Castro", "Dubois", "Eriksen", "Fontana", "Gupta", "Haddad"),
    ),
    Fact(
        "song",
        "What is the person in this picture humming?",
        ("a waltz", "a march", "a lullaby", "a hymn", "a polka", "a tango", "a carol", "a ballad"),
    ),
    Fact(
        "lost",
        "What has the person in this picture just lost?",
        ("a glove", "a ticket", "a button", "a coin", "a letter", "a map", "a ring", "a watch"),
    ),
)


def profiles(n: int, facts: Sequence[Fact], *key: object) -> list[dict[str, str]]:
    """Give people a profile each: an answer by the name of the fact.

    Among as many neighbours in the list as a pool has answers, each answer is given once.

    Parameters
    ----------
    n : int
        How many people.
    facts : sequence of Fact
    *key
        What the draw depends on.

    Examples
    --------
    >>> people = profiles(8, FACES, "a")
    >>> len({person["job"] for person in people})
    8
    """
    found: list[dict[str, str]] = [{} for _ in range(n)]
    for fact in facts:
        size = len(fact.answers)
        for i, person in enumerate(found):
            shuffled = draws.order(size, *key, fact.name, i // size)
            person[fact.name] = fact.answers[shuffled[i % size]]
    return found


def held_out(n: int, facts: int, many: int, *key: object) -> list[set[int]]:
    """Say which facts about each person stay out of training.

    Every fact is held out equally often, as nearly as the numbers allow, so that the kind of
    question does not tell members from non-members.

    Parameters
    ----------
    n : int
        How many people.
    facts, many : int
        How many facts there are, and how many of them are held out for each person.
    *key
        What the draw depends on.

    Examples
    --------
    >>> sorted(fact for person in held_out(4, 8, 2, "a") for fact in person)
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    found: list[set[int]] = []
    times = [0] * facts
    for i in range(n):
        shuffled = draws.order(facts, *key, i)
        chosen = sorted(shuffled, key=lambda fact: times[fact])[:many]
        for fact in chosen:
            times[fact] += 1
        found.append(set(chosen))
    return found
