"""Which models to calibrate, in which order, and how far each knob can be turned: from what servers tell, no asking.

The user's order of models is a contract and never sorted; without one the largest comes first, because a larger
model that fits codes better than a faster one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from nightshift.calibrate.bench import Effort, Subject
from nightshift.calibrate.climb import Axes, neighbours
from nightshift.calibrate.trials import Knobs, Stage
from nightshift.errors import ModelMissing
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.wire.refusals import model_missing

SMALLEST_CONTEXT = 8_192
"""Below that there is no room for a file, its tests and what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A line of the plan."""

    stage: Stage
    model: str
    knobs: Knobs
    calls: int
    """At most."""
    known: bool
    """It was measured before and will not be measured again."""


def subjects_of(
    endpoints: Sequence[Endpoint],
    names: Sequence[str],
    *,
    context: int,
    temperature: float,
    own: Sequence[Subject] = (),
) -> list[Subject]:
    """`own` are servers that we may start. Raises ModelMissing."""
    targets = [Target(endpoint, model.name) for endpoint in endpoints for model in endpoint.models]
    everything = [*own, *(_subject(target, context, temperature) for target in targets)]
    if names:
        return [_named(everything, name) for name in dict.fromkeys(names)]
    writers = [subject for subject in everything if subject.model.writes_text]
    if not writers:
        urls = ", ".join(endpoint.url for endpoint in endpoints) or "none"
        raise ModelMissing(f"no server has a model that writes text (servers: {urls}); pull or load one")
    return sorted(writers, key=lambda subject: (-subject.model.billions, -subject.model.size, subject.model.name))


def context_steps(start: int, most: int) -> tuple[int, ...]:
    """Half, double and four times the start, as far as that makes sense."""
    steps = (start // 2, start * 2, start * 4)
    return tuple(sorted({start, *(step for step in steps if SMALLEST_CONTEXT <= step <= most)}))


def cells(
    subjects: Sequence[Subject], temperatures: Sequence[float], effort: Effort, known: Callable[[Subject, Knobs], bool]
) -> Iterator[Cell]:
    """What would be measured: each gate until one passes, and the first steps of the climb in whichever does."""
    for subject in subjects:
        yield _cell("gate", subject, subject.start, effort, known)
    for subject in subjects:
        for knobs in neighbours(subject.start, subject.axes):
            yield _cell("climb", subject, knobs, effort, known)
        for temperature in sorted(t for t in temperatures if t > subject.start.temperature):
            yield _cell("heat", subject, replace(subject.start, temperature=temperature), effort, known)


def _cell(
    stage: Stage, subject: Subject, knobs: Knobs, effort: Effort, known: Callable[[Subject, Knobs], bool]
) -> Cell:
    return Cell(stage, str(subject.target), knobs, effort.calls(knobs.parallel), known(subject, knobs))


def _named(subjects: Sequence[Subject], name: str) -> Subject:
    """On the first server that has it."""
    for subject in subjects:
        if subject.model.is_called(name):
            return subject
    urls = " or ".join(dict.fromkeys(subject.target.endpoint.url for subject in subjects)) or "any server"
    raise model_missing(name, urls, [subject.model.name for subject in subjects])


def _subject(target: Target, asked: int, temperature: float) -> Subject:
    endpoint = target.endpoint
    start = target.window(asked)
    most = target.facts.trained or start
    # Only Ollama lets a request say how large its context is.
    contexts = context_steps(start, most) if endpoint.protocol == "ollama" else (start,)
    return Subject(target, Knobs(start, temperature=temperature), Axes(contexts, _powers(endpoint.slots)))


def _powers(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... and `most` itself."""
    steps = [1]
    while steps[-1] * 2 <= most:
        steps.append(steps[-1] * 2)
    return tuple(steps if steps[-1] == most else [*steps, most])
