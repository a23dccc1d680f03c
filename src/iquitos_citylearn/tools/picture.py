"""The README's picture: which share of the possible CO2 saving each policy captures, as an SVG without a library.

The card is white in light and dark pages. Kinds differ in word and in colour; the colours are those of Okabe and Ito,
which people with any kind of colour vision tell apart.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from iquitos_citylearn.comparison.gains import Verdict, gains_of, shown_percent
from iquitos_citylearn.comparison.text import in_units
from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES
from iquitos_citylearn.policies.register import Kind

PICTURE = Path("docs/images/result.svg")
CAPTURED = JUDGED["co2"].share
COLOURS = {Kind.AGENT: "#D55E00", Kind.RULE: "#0072B2", Kind.CONTROLLER: "#009E73", Kind.OPTIMUM: "#767676"}
INK, PALE = "#1f2328", "#d1d9e0"
WIDTH, ROW, TOP, BOTTOM = 760, 30, 66, 62
LEFT, RIGHT = 196, 96
"""Space for the names and for the numbers."""


def result_picture(comparison: Mapping[str, Any]) -> str:
    """Return the picture: a bar for every policy that saves something, the others named below.

    Parameters
    ----------
    comparison : mapping
        Content of `metrics/comparison.json`.
    """
    policies = {name: f for name, f in comparison["policies"].items() if CAPTURED in f}
    order = sorted(policies, key=lambda name: -shown_percent(policies[name], CAPTURED))
    shown = [name for name in order if policies[name][CAPTURED]["mean"] > 0.0]
    worse = [name for name in order if policies[name][CAPTURED]["mean"] < 0.0]
    scale = (WIDTH - LEFT - RIGHT) / max([1.0, *(policies[name][CAPTURED]["mean"] for name in shown)])
    bottom = TOP + ROW * len(shown)
    below = f"0 % is charging at once to full. Worse than that: {', '.join(worse) or 'none'}."
    gain = gains_of(comparison)["co2"]
    what = f"100 % is what perfect foresight saves: {in_units(gain.gain, gain)} a year. Mean over seeds and years."
    if gain.verdict == Verdict.NONE:
        what = "There is nothing to save."
    parts = [
        _text(20, 28, "Share of the possible CO2 saving that each policy captures", size=17, weight="bold"),
        _text(20, 48, what, size=13),
        *(_tick(LEFT + share * scale, bottom, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)),
        *(line for row, name in enumerate(shown) for line in _bar(name, policies[name], TOP + ROW * row, scale)),
        _text(20, bottom + 44, below, size=13),
    ]
    return _card(bottom + BOTTOM, parts)


def _bar(name: str, figures: Mapping[str, Any], y: float, scale: float) -> list[str]:
    """Return name and kind, bar, number, and a line over the interval where there is one."""
    share, kind = figures[CAPTURED], Kind(figures["kind"])
    end = LEFT + share["mean"] * scale
    label = name if kind is Kind.OPTIMUM else f"{name} ({kind.value})"
    parts = [
        _text(LEFT - 10, y + 19, label, anchor="end"),
        f'<rect x="{LEFT}" y="{y + 5}" width="{end - LEFT:.1f}" height="{ROW - 10}" fill="{COLOURS[kind]}"/>',
        _text(LEFT + scale + 18, y + 19, KEY_FIGURES[CAPTURED].text(share["mean"])),
    ]
    if "ci_low" in share:
        low, high = (LEFT + share[key] * scale for key in ("ci_low", "ci_high"))
        path = f"M{low:.1f} {y + 10}v10M{low:.1f} {y + 15}H{high:.1f}M{high:.1f} {y + 10}v10"
        parts.append(f'<path d="{path}" stroke="{INK}" stroke-width="1.5" fill="none"/>')
    return parts


def _tick(x: float, bottom: float, label: str) -> str:
    line = f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="{PALE}"/>'
    return line + _text(x, bottom + 18, label, size=12, anchor="middle")


def _text(x: float, y: float, words: str, *, size: int = 14, weight: str = "normal", anchor: str = "start") -> str:
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y}" {style} fill="{INK}">{escape(words)}</text>'


def _card(height: float, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="Helvetica, Arial, sans-serif" role="img" '
        'aria-label="Bars: share of the possible CO2 saving that each policy captures">'
    )
    frame = f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" fill="#ffffff" stroke="{PALE}"/>'
    return "\n".join([head, frame, *parts, "</svg>"]) + "\n"
