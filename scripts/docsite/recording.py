# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw a recorded session of a terminal as an animated SVG.

Usage: recording.py SESSION PICTURE. A session is JSON: {title, and steps with a command and its output}, the output
with the color codes of the terminal; tests/suite/test_recording.py records one from a real run. Each step is a screen:
its command is typed, then its output appears line by line. Readers who prefer less motion see the last screen.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

#: Seconds: a whole round, and of each step the time to type the command.
DURATION, TYPING = 20.0, 1.2
#: Seconds between two lines of output.
LINE = 0.06
COLUMNS, ROWS = 118, 24
_CHARACTER, _LINE_HEIGHT, _MARGIN = 8.4, 18, 14
#: {code of the terminal: class of the text}.
_COLORS = {"0;31": "r", "0;32": "g", "0;33": "y", "0;36": "c", "1;35": "m"}
_CODE = re.compile(r"\x1b\[([\d;]*)m")
_STYLE = """\
text{font:14px "DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#e4e4e7;white-space:pre}
.r{fill:#ff6b6b}.g{fill:#7bdc7b}.y{fill:#e5c07b}.c{fill:#56c7d8}.m{fill:#d18cff}.p{font-weight:bold}
.a{animation-duration:%gs;animation-iteration-count:infinite;animation-timing-function:step-end}
"""
_CALM = (
    "@media (prefers-reduced-motion:reduce){.a{animation:none}.s{opacity:0}.s:last-of-type{opacity:1}.h{opacity:0}}\n"
)


class Line(NamedTuple):
    """A line of a screen: when it appears, and its parts, each (class, text)."""

    at: float
    parts: tuple


class Screen(NamedTuple):
    """A step: the time from which to which it is shown, its command, and the lines of its output."""

    begin: float
    end: float
    command: str
    lines: tuple


def screens(session):
    """Return the screens of a session; the time of a round is divided by the number of their lines."""
    outputs = [_shortened(step["output"]) for step in session["steps"]]
    spare = DURATION - sum(TYPING + LINE * len(lines) for lines in outputs)
    if spare < len(outputs):
        raise ValueError(f"the session is too long: a screen would stay {spare / len(outputs):.1f} s")
    found, begin = [], 0.0
    for step, lines in zip(session["steps"], outputs):
        first = begin + TYPING
        end = first + LINE * len(lines) + spare / len(outputs)
        shown = tuple(Line(first + LINE * place, parts) for place, parts in enumerate(lines))
        found.append(Screen(begin, min(end, DURATION), step["command"], shown))
        begin = end
    return found


def _shortened(output):
    """Return the lines of an output without empty lines at the ends; long lines are wrapped, as a terminal does."""
    lines = [part for line in output.strip("\n").split("\n") for part in _wrapped(line)]
    if len(lines) > ROWS:
        raise ValueError(f"an output has {len(lines)} lines, and the screen {ROWS}")
    return lines


def _wrapped(line):
    """Return the lines of the screen for a line: each has parts, (class, text)."""
    found, color, left = [()], "", COLUMNS
    for place, text in enumerate(_CODE.split(line)):
        if place % 2:
            color = _COLORS.get(text, "")
            continue
        while text:
            if not left:
                found, left = [*found, ()], COLUMNS
            found[-1] += ((color, text[:left]),)
            text, left = text[left:], left - len(text[:left])
    return found


def draw(session):
    """Return the SVG of a session."""
    width, height = round(COLUMNS * _CHARACTER + 2 * _MARGIN), (ROWS + 1) * _LINE_HEIGHT + 2 * _MARGIN
    frames, body = [], []
    for number, screen in enumerate(screens(session)):
        body.append(_screen(number, screen, frames))
    title = escape(session["title"])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{title}">\n<title>{title}</title>\n<style>\n{_STYLE % DURATION}'
        + "".join(frames)
        + f'{_CALM}</style>\n<rect width="100%" height="100%" rx="6" fill="#1e1e24"/>\n'
        + "".join(body)
        + "</svg>\n"
    )


def _screen(number, screen, frames):
    """Return a screen as a group; its animations are added to ``frames``."""
    name = f"s{number}"
    frames.append(_shown(name, screen.begin, screen.end))
    lines = [_text(0, ((("p"), f"$ {screen.command}"),), "")]
    typed = len(screen.command)
    left, right = _MARGIN + 2 * _CHARACTER, typed * _CHARACTER
    frames.append(
        f"@keyframes t{number}{{0%,{_percent(screen.begin)}{{transform:translateX(0);animation-timing-function:"
        f"steps({typed})}}{_percent(screen.begin + TYPING * 0.8)},100%{{transform:translateX({right:.0f}px)}}}}\n"
    )
    # It covers the command, and moves to the right.
    cover = f'<rect class="a h" style="animation-name:t{number}" x="{left:.1f}" y="{_MARGIN}" '
    cover += f'width="{right + 4:.0f}" height="{_LINE_HEIGHT}" fill="#1e1e24"/>\n'
    for place, line in enumerate(screen.lines):
        if not line.parts:
            continue
        frames.append(_shown(f"l{number}_{place}", line.at, DURATION))
        lines.append(_text(place + 1, line.parts, f"l{number}_{place}"))
    clip = f'<g class="a s" style="animation-name:{name}">\n'
    return clip + lines[0] + cover + "".join(lines[1:]) + "</g>\n"


def _shown(name, begin, end):
    """Return an animation: visible from ``begin`` to ``end``."""
    before = "" if begin == 0 else f"0%{{opacity:0}}{_percent(begin)}{{opacity:1}}"
    after = "" if end >= DURATION else f"{_percent(end)}{{opacity:0}}"
    return f"@keyframes {name}{{{before or '0%{opacity:1}'}{after}100%{{opacity:{0 if after else 1}}}}}\n"


def _percent(seconds):
    return f"{100 * seconds / DURATION:.2f}%"


def _text(row, parts, animation):
    y = _MARGIN + (row + 0.75) * _LINE_HEIGHT
    spans = "".join(
        f'<tspan class="{color}">{escape(text)}</tspan>' if color else escape(text) for color, text in parts
    )
    shown = f' class="a" style="animation-name:{animation}"' if animation else ""
    return f'<text xml:space="preserve" x="{_MARGIN}" y="{y:.1f}"{shown}>{spans}</text>\n'


def main(session, picture):
    text = Path(session).read_text(encoding="utf-8")
    Path(picture).write_text(draw(json.loads(text)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
