# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console of an installer shows: whether it works, waits for an answer, or has finished. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The role has the installer print this line when all steps are done; see the templates.
MARKER = "polyvirt-installed"
WORKING, WAITING, CRASHED, FINISHED = "working", "waiting", "crashed", "finished"

_CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()#][A-Za-z0-9]|[=>78DEMc])|[\x00-\x08\x0b-\x1f\x7f]")
#: GNU screen draws its status line again every minute, at any place of the text.
_STATUS_LINE = re.compile(r"\[ [^\]\n]*\(\d\*\w+\)[^\]\n]*\]\[ [^\]\n]*\]")
_PANIC = re.compile(r"Kernel panic - not syncing.*")
_LONGEST = 300


@dataclass(frozen=True)
class Signs:
    """How one installer shows its state. ``prompt`` matches the end of the text of an installer that waits.

    ``titles`` match the error, the best first. ``step`` matches what the installer works on; its last match counts.
    """

    prompt: str
    titles: tuple
    step: str
    finished: str = rf"^{MARKER}\b"


#: Sources: recorded consoles of the installer of Debian 13; OpenBSD's install.sub.
SIGNS = {
    "preseed": Signs(
        prompt=r"(?:\[Press enter to continue\]|Prompt: '\?' for help(?:, default=[^>]*)?>)\s*\Z",
        titles=(r"^!! ERROR: (.+)", r"^-{20,}\n+(.+(?:\n.+)*)", r"^(.+)\n+Prompt: "),
        step=r"^([^\s\[].*?)\s+\.\.\.",
    ),
    "openbsd": Signs(
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
    """``text``: the step at which the installer works, or the title of its error; empty if unknown."""

    state: str
    text: str = ""


def plain(console):
    """The text of a console without control sequences and without what is drawn again and again."""
    text = _CONTROL.sub("", console.replace("\r\n", "\n").replace("\r", "\n"))
    return _STATUS_LINE.sub("", text)


def progress_of(installer, console):
    """The Progress of ``installer`` (a key of SIGNS, else only crashes and the marker count) from its console's end."""
    text = plain(console)
    signs = SIGNS.get(installer)
    panic = _PANIC.search(text)
    if panic:
        return Progress(CRASHED, panic.group().strip())
    if re.search(signs.finished if signs else rf"^{MARKER}\b", text, re.MULTILINE):
        return Progress(FINISHED)
    if signs is None:
        return Progress(WORKING)
    if re.search(signs.prompt, text, re.MULTILINE):
        return Progress(WAITING, _title(signs, text))
    steps = re.findall(signs.step, text, re.MULTILINE)
    return Progress(WORKING, steps[-1].strip() if steps else "")


def last_lines(console, count=12):
    """The last lines of a console that are not empty."""
    lines = [line.rstrip() for line in plain(console).splitlines()]
    return "\n".join([line for line in lines if line][-count:])


def _title(signs, text):
    for pattern in signs.titles:
        found = re.findall(pattern, text, re.MULTILINE)
        if found:
            return " ".join(found[-1].split())[:_LONGEST]
    return ""
