"""calibration.html: one self-contained page about a calibration. Reads the stored decision and decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nightshift.calibrate.climb import TIE_BAND, warnings
from nightshift.calibrate.trials import Ending, Run, Trial, chosen_of
from nightshift.report.markup import Markup, page, table, tag

GOOD = (Ending.CHOSEN, Ending.PARTIAL)
HEAD = (
    "#", "", "stage", "model", "cell", "first token s", "decode tok/s", "reply s", "all tok/s", "spread", "drafts",
    "notes",
)  # fmt: skip


def report_of(run: Run, trials: Sequence[Trial], profile: str) -> str:
    """`profile` is the text of the profile proposed, empty without one."""
    parts = [*_outcome(run, chosen_of(run, trials)), *_profile(profile), *_trials(run, trials), *_machine(run)]
    return page(f"Nightshift: calibration {run.id}", parts)


def _outcome(run: Run, chosen: Trial | None) -> Iterator[str]:
    yield tag("h1", f"Calibration {run.id}")
    yield tag("p", tag("strong", run.ending.replace("_", " "), "good" if run.ending in GOOD else "bad"))
    if run.message:
        yield tag("p", run.message)
    if chosen:
        yield tag("p", f"{chosen.model} at {chosen.url}: {chosen.knobs}")
        figures = (
            f"{chosen.first_token:.2f} s to the first token, {chosen.decode:.1f} tokens/s while writing one reply, "
            f"{chosen.seconds:.1f} s for a whole reply, {chosen.throughput:.1f} tokens/s of all replies together "
            f"(medians of {chosen.replies} replies)"
        )
        yield tag("p", figures)
        yield from (tag("p", warning, "bad") for warning in warnings(chosen))


def _profile(profile: str) -> Iterator[str]:
    if profile:
        yield tag("h2", "Profile proposed")
        yield tag("pre", profile)


def _trials(run: Run, trials: Sequence[Trial]) -> Iterator[str]:
    yield tag("h2", f"Trials: {len(trials)}")
    yield table(HEAD, ((number, _mark(trial, run), *_row(trial)) for number, trial in enumerate(trials, 1)))
    yield tag(
        "p",
        f"◆ chosen, ↑ best when it was measured, ✓ feasible, ✗ not. Throughputs within {100 * TIE_BAND:.0f} % of the "
        "fastest count as equal; then the larger context and the lower time to first token decide. The order of the "
        "models, not their speed, decides between models.",
        "soft",
    )


def _row(trial: Trial) -> tuple[Any, ...]:
    figures = (
        f"{trial.first_token:.2f}", f"{trial.decode:.1f}", f"{trial.seconds:.1f}", f"{trial.throughput:.1f}",
        f"{100 * trial.spread:.0f} %",
    ) if trial.replies else ("",) * 5  # fmt: skip
    drafts = f"{trial.accepted} of {trial.drafted}" if trial.drafted else ""
    notes = "; ".join(filter(None, [trial.notes, *warnings(trial)]))
    return trial.stage, trial.model, str(trial.knobs), *figures, drafts, notes


def _mark(trial: Trial, run: Run) -> Markup:
    if trial.recipe == run.chosen:
        return Markup('<strong class="good">◆</strong>')
    if not trial.ok:
        return Markup('<span class="bad">✗</span>')
    return Markup(f'<span class="good">{"↑" if trial.kept else "✓"}</span>')


def _machine(run: Run) -> Iterator[str]:
    if run.machine:
        yield tag("h2", "Machine")
        yield table(("", ""), run.machine.items())
