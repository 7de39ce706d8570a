"""Feature expressions: one feature, several side by side, or several classifiers together.

    features   = expression { "," expression }
    expression = sum | ( "mean" | "weighted" | "best" ) "(" sum { "," sum } ")"
    sum        = feature { "+" feature }
    feature    = name { ":" functional } | "mix" "(" name { "," name } ")"

`a + b` trains one classifier on both functionals side by side (early fusion). `mean(a, b)` trains
one on each and averages their probabilities (late fusion); `weighted(a, b)` averages by how far
each is above chance on the fold's dev part; `best(a, b)` takes, in each fold, the one that is best
on its dev part. With several heads, each is also made of all of them. Both kinds together:
`mean(a + b, a, b)`. A name may hold `*` for anything and
`0..6` for numbers: `best(whisper-base/layer-*)`, `bert/contextual + whisper-base/layer-3..6`.
`:mean`, `:std`, `:min`, `:max`, `:q25` choose functionals; without, what the call says.
`mix(whisper-base/layer-*)` is one feature: the weighted sum of layers, whose weights a head learns.
"""

import fnmatch
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tokser.errors import SettingsError, list_some, shortened

__all__ = [
    "DEFAULT_FUNCTIONALS",
    "Early",
    "Expression",
    "How",
    "Late",
    "Term",
    "as_means",
    "layer_choices",
    "parse",
]

DEFAULT_FUNCTIONALS = ("mean", "std")

How = Literal["mean", "weighted", "best"]
_LATE = re.compile(r"\s*(\w+)\s*\((.*)\)\s*", re.DOTALL)
_MIX = re.compile(r"mix\s*\((.*)\)", re.DOTALL)
_RANGE = re.compile(r"(?P<before>.*?)(?P<first>\d+)\.\.(?P<last>\d+)(?P<after>.*)")
_LAYER = re.compile(r"(?P<group>.+/layer-)(?P<layer>\d+)")
_MOST_LETTERS = 20_000
"""Of a text of expressions."""
_MOST_NUMBERS = 1_000
"""Of a range of layers."""
_MOST_EXPRESSIONS = 10_000
"""That wildcards and ranges may stand for."""
_HOWS: tuple[How, ...] = ("mean", "weighted", "best")


@dataclass(frozen=True)
class Term:
    """One feature of a store, and which of its functionals; or layers that a head mixes.

    Attributes:
        feature: Its name; of a mix `mix(whisper-base/layer-0..6)`.
        functionals: What is taken of its rows, unless a head reads the rows themselves.
        mixed: Names of the layers of a mix; none of a single feature.
    """

    feature: str
    functionals: tuple[str, ...] = DEFAULT_FUNCTIONALS
    mixed: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """Names in the store: the feature, or the layers of a mix."""
        return self.mixed or (self.feature,)

    def __str__(self) -> str:
        named = () if self.functionals == DEFAULT_FUNCTIONALS else self.functionals
        return ":".join([self.feature, *named])


@dataclass(frozen=True)
class Early:
    """Features whose functionals stand side by side; often there is one."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms))


@dataclass(frozen=True)
class Late:
    """Classifiers whose probabilities make one: averaged, weighted by dev, or chosen by dev."""

    how: How
    members: tuple[Early, ...]

    def __str__(self) -> str:
        return f"{self.how}({', '.join(_layers_in_short(self.members))})"


Expression = Early | Late


def parse(
    text: str, known: Sequence[str], functionals: tuple[str, ...] = DEFAULT_FUNCTIONALS
) -> list[Expression]:
    """Read feature expressions.

    Args:
        text: Expressions with commas between.
        known: Names of the features that there are, in their order.
        functionals: Of features that name none.

    Raises:
        SettingsError: The text has another form, names features that are not there, or stands for
            more than anybody trains.
    """
    if len(text) > _MOST_LETTERS:
        raise _wrong(text, f"{len(text):,} characters", "use wildcards such as a/layer-*")
    found: list[Expression] = []
    for part in _split(text, ","):
        late = _LATE.fullmatch(part)
        if late is None or late[1] == "mix":
            found += _sums(part, known, functionals, text)
            continue
        how = next((name for name in _HOWS if name == late[1]), None)
        if how is None:
            raise _wrong(text, f"{late[1]}(...)", f"{', '.join(_HOWS)} are the forms there are")
        members = [e for s in _split(late[2], ",") for e in _sums(s, known, functionals, text)]
        members = list(dict.fromkeys(members))
        if len(members) < 2:
            raise _wrong(text, f"{part.strip()} of {len(members)} member", "name at least two")
        found.append(Late(how, tuple(members)))
    return list(dict.fromkeys(found))


def layer_choices(expressions: Sequence[Expression]) -> list[Late]:
    """Return, for every encoder of which several layers are there, the choice among them by dev."""
    groups: dict[tuple[str, tuple[str, ...]], list[Early]] = {}
    for expression in expressions:
        if isinstance(expression, Early) and len(expression.terms) == 1:
            (term,) = expression.terms
            layer = _LAYER.fullmatch(term.feature)
            if layer:
                groups.setdefault((layer["group"], term.functionals), []).append(expression)
    return [Late("best", tuple(found)) for found in groups.values() if len(found) > 1]


def as_means(early: Early) -> Early:
    """Return a sum as the means of all its layers, mixed or not, side by side."""
    return Early(tuple(Term(name, ("mean",)) for term in early.terms for name in term.features))


def _sums(text: str, known: Sequence[str], functionals: tuple[str, ...], whole: str) -> list[Early]:
    """Read one sum; wildcards make several of it."""
    choices = [_terms(part, known, functionals, whole) for part in _split(text, "+")]
    count = math.prod(map(len, choices))
    if count > _MOST_EXPRESSIONS:
        raise _wrong(
            whole,
            f"one that stands for {count:,} sums"
            if count < 10**12
            else "more sums than anybody trains",
            f"name fewer: at most {_MOST_EXPRESSIONS:,}",
        )
    return [Early(terms) for terms in itertools.product(*choices)]


def _terms(text: str, known: Sequence[str], functionals: tuple[str, ...], whole: str) -> list[Term]:
    if text.strip() in known:
        return [Term(text.strip(), functionals)]
    mix = _MIX.fullmatch(text.strip())
    if mix is not None:
        return [_mix(mix[1], known, whole)]
    name, *named = (part.strip() for part in text.split(":"))
    if not name or "" in named or re.search(r"[()\s]", name):
        raise _wrong(
            whole, repr(text.strip()), "write names, `+`, `,`, mix(...) and mean(...) only"
        )
    matches = {pattern: _matches(pattern, known) for pattern in _numbered(name, whole)}
    lacking = [pattern for pattern, found in matches.items() if not found]
    if lacking or not matches:
        raise SettingsError(
            f"features {shortened(repr(whole), 200)}",
            expected=f"pooled features; there are {list_some(known, most=20) or 'none'}",
            got=shortened(name) if len(lacking) == len(matches) else list_some(lacking, most=5),
            remedy="Name features that are pooled, or run `tokser pool`.",
        )
    names = [one for found in matches.values() for one in found]
    return [Term(found, tuple(named) or functionals) for found in dict.fromkeys(names)]


def _mix(text: str, known: Sequence[str], whole: str) -> Term:
    """Read the layers of a mix."""
    inside = [term for part in _split(text, ",") for term in _terms(part, known, (), whole)]
    if any(term.functionals or term.mixed for term in inside):
        raise _wrong(whole, f"mix({text.strip()})", "Name layers alone in a mix")
    names = tuple(dict.fromkeys(term.feature for term in inside))
    if len(names) < 2:
        raise _wrong(whole, f"mix({text.strip()}) of one layer", "name at least two")
    layers = [Early((Term(name),)) for name in names]
    return Term(f"mix({', '.join(_layers_in_short(layers))})", mixed=names)


def _numbered(name: str, whole: str) -> list[str]:
    """Write `layer-3..5` out."""
    found = _RANGE.fullmatch(name)
    if found is None:
        return [name]
    digits = max(len(found["first"]), len(found["last"]))
    numbers = range(int(found["first"]), int(found["last"]) + 1) if digits < 10 else ()
    if digits >= 10 or len(numbers) > _MOST_NUMBERS:
        got = f"the range {shortened(found['first'], 20)}..{shortened(found['last'], 20)}"
        raise _wrong(whole, got, f"name at most {_MOST_NUMBERS:,} numbers, those that there are")
    return [f"{found['before']}{number}{found['after']}" for number in numbers]


def _matches(pattern: str, known: Sequence[str]) -> list[str]:
    if pattern in known or "*" not in pattern:
        return [pattern] if pattern in known else []
    return [name for name in known if fnmatch.fnmatchcase(name, pattern)]


def _layers_in_short(members: Sequence[Early]) -> list[str]:
    """Name members; neighbouring layers of one encoder are written as a range."""
    runs: list[tuple[Early, Early]] = []
    for member in members:
        if runs and _follows(runs[-1][1], member):
            runs[-1] = runs[-1][0], member
        else:
            runs.append((member, member))
    return [str(a) if a == b else _range(a, b) for a, b in runs]


def _follows(before: Early, member: Early) -> bool:
    """Tell whether a member is the next layer of the one before it."""
    if len(before.terms) != 1 or len(member.terms) != 1:
        return False
    one, next_one = before.terms[0], member.terms[0]
    found = _LAYER.fullmatch(one.feature), _LAYER.fullmatch(next_one.feature)
    if not found[0] or not found[1] or one.functionals != next_one.functionals:
        return False
    step = int(found[1]["layer"]) - int(found[0]["layer"])
    return found[0]["group"] == found[1]["group"] and step == 1


def _range(first: Early, last: Early) -> str:
    number = last.terms[0].feature.rpartition("-")[2]
    return f"{first.terms[0].feature}..{Term(number, last.terms[0].functionals)}"


def _split(text: str, separator: str) -> list[str]:
    """Split outside parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _wrong(text: str, got: str, remedy: str) -> SettingsError:
    return SettingsError(
        f"features {shortened(repr(text), 200)}",
        expected="names such as a/layer-6, a + b, mean(a, b), weighted(a, b), best(a/layer-*) "
        "or mix(a/layer-*)",
        got=shortened(got),
        remedy=f"{remedy[0].upper()}{remedy[1:]}.",
    )
