# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the console of an installer: whether it works, waits for input, crashed or has finished. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The answer files let the installer print this line when all steps are complete; see the templates.
MARKER = "polyvirt-installed"
WORKING, WAITING, CRASHED, FINISHED = "working", "waiting", "crashed", "finished"

_CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()#][A-Za-z0-9]|[=>78DEMc])|[\x00-\x08\x0b-\x1f\x7f]")
#: GNU screen prints its status line again every minute, in the middle of other text.
_STATUS_LINE = re.compile(r"\[ [^\]\n]*\(\d\*\w+\)[^\]\n]*\]\[ [^\]\n]*\]")
_PANIC = re.compile(r"Kernel panic - not syncing.*")
_LONGEST = 300


@dataclass(frozen=True)
class Patterns:
    """Patterns of one installer. ``prompt`` matches the end of the text if the installer waits for input.

    ``titles`` match the error message, the best first. ``step`` matches the names of steps; the last match is current.
    """

    prompt: str
    titles: tuple
    step: str
    finished: str = rf"^{MARKER}\b"


#: Sources: recorded consoles of the installer of Debian 13; OpenBSD's install.sub.
PATTERNS = {
    "preseed": Patterns(
        prompt=r"(?:\[Press enter to continue\]|Prompt: '\?' for help(?:, default=[^>]*)?>)\s*\Z",
        titles=(r"^!! ERROR: (.+)", r"^-{20,}\n+(.+(?:\n.+)*)", r"^(.+)\n+Prompt: "),
        step=r"^([^\s\[].*?)\s+\.\.\.",
    ),
    "openbsd": Patterns(
        prompt=r"(?:failed; check /tmp/ai/ai\.log|^# |\(S\)hell\? )\s*\Z",
        titles=(
            r"^(Question has no answer in response file: .+)",
            r"^(install\.site failed)",
            r"^(.+)\n+failed; check /tmp/ai/ai\.log",
            r"^(.*failed; check /tmp/ai/ai\.log)",
        ),
        step=r"^((?:Installing|Get/Verify|Location of sets|Fetching URL|newfs)\b.*?)(?: {2,}|$)",
        finished=r"CONGRATULATIONS! Your OpenBSD install has been successfully completed",
    ),
}


@dataclass(frozen=True)
class Progress:
    """``text``: the current step, or the error message; empty if unknown."""

    state: str
    text: str = ""


def plain(console):
    """Return the text of a console without control sequences and repeated status lines."""
    text = _CONTROL.sub("", console.replace("\r\n", "\n").replace("\r", "\n"))
    return _STATUS_LINE.sub("", text)


def progress_of(installer, console):
    """Return the Progress from the end of the console. For an ``installer`` without PATTERNS: only crash and marker."""
    text = plain(console)
    patterns = PATTERNS.get(installer)
    panic = _PANIC.search(text)
    if panic:
        return Progress(CRASHED, panic.group().strip())
    if re.search(patterns.finished if patterns else rf"^{MARKER}\b", text, re.MULTILINE):
        return Progress(FINISHED)
    if patterns is None:
        return Progress(WORKING)
    if re.search(patterns.prompt, text, re.MULTILINE):
        return Progress(WAITING, _title(patterns, text))
    steps = re.findall(patterns.step, text, re.MULTILINE)
    return Progress(WORKING, steps[-1].strip() if steps else "")


def last_lines(console, count=12):
    """Return the last ``count`` lines of a console that are not empty."""
    lines = [line.rstrip() for line in plain(console).splitlines()]
    return "\n".join([line for line in lines if line][-count:])


def _title(patterns, text):
    for pattern in patterns.titles:
        found = re.findall(pattern, text, re.MULTILINE)
        if found:
            return " ".join(found[-1].split())[:_LONGEST]
    return ""
