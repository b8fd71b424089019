# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the console of an installer: whether it works, waits for input, crashed or has finished. Pure."""

from __future__ import annotations

import re

from ...module_utils._core.frozen import Frozen
from ...module_utils._core.results.console import without_sequences
from ...module_utils._core.texts import with_plain_line_ends

#: The answer files let the installer print this line when all steps are complete; see the templates.
MARKER = "polyvirt-installed"
#: The scripts for Alpine and Windows print this line with the reason if they fail; the systems show nothing then.
FAILED = "polyvirt-failed"
WORKING, WAITING, CRASHED, FINISHED = "working", "waiting", "crashed", "finished"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
#: GNU screen prints its status line again every minute, in the middle of other text.
_STATUS_LINE = re.compile(r"\[ [^\]\n]*\(\d\*\w+\)[^\]\n]*\]\[ [^\]\n]*\]")
_PANIC = re.compile(r"Kernel panic - not syncing.*")
_LONGEST = 300


class Patterns(Frozen):
    """Patterns of one installer. ``prompt`` matches the text if the installer waits for input, mostly at its end.

    ``titles`` match the error message, the best first. ``step`` matches the names of steps; the last match is current.
    """

    prompt: str
    titles: tuple
    step: str
    finished: str = rf"^{MARKER}\b"


#: Sources: recorded consoles of the installer of Debian 13; OpenBSD's install.sub. Not recorded, but read in source
#: code: the errors and questions of anaconda (exception.py, errors.py, kickstart.py, installation_progress.py,
#: anaconda-lib.sh), dracut (dracut-emergency.sh, dracut-initqueue.sh) and subiquity (client.py). Read in reports of
#: users: "finish: ... FAIL", "Malformed autoinstall", "Continue in basic mode". Assumed: that tmux shows "Pane is dead"
#: on a serial console, most steps of anaconda, and those of setup-alpine. Anaconda runs in tmux, which moves the cursor
#: instead of ending lines, so its texts are searched for at any place of a line.
PATTERNS = {
    "alpine": Patterns(
        prompt=rf"^{FAILED}: .+",
        titles=(rf"^{FAILED}: (.+)",),
        step=r"^((?:Installing|Initializing|Creating|Mounting|Starting|Extending)\b.+?)(?:\.{3}.*)?$",
    ),
    "autoinstall": Patterns(
        prompt=r"An error occurred\. Press enter to start a shell|Continue with autoinstall\? \(yes\|no\)|"
        r"Continue in (?:basic|rich) mode",
        titles=(
            r"(Malformed autoinstall .+)",
            r"^finish: (.+: FAIL: .+)",
            r"^finish: (.+)\n(?:(?:start|finish): .*ErrorReporter.*\n)*An error occurred\. Press",
            r"(Continue with autoinstall\?)",
            r"(An error occurred\. Press enter to start a shell)",
            r"(Continue in (?:basic|rich) mode)",
        ),
        step=r"^start: (subiquity/[^:\n]+)",
    ),
    "kickstart": Patterns(
        prompt=r"The installer will now terminate|Pane is dead|An unknown error has occurr?ed|"
        r"Entering emergency mode\. Exit the shell to continue|Installation complete\. Press ENTER to quit|"
        r"Please (?:make (?:a selection|your choice) from (?:the )?above|respond 'yes' or 'no')",
        titles=(
            r"(There was an error running the kickstart script at line \d+)",
            r"The exact error message is:\s+(\S.+)",
            r"(The following error occurred while [\s\S]+?)(?:\n\n\n|The installer will|\Z)",
            r"(An error occurred during reading the kickstart file:[\s\S]+?)The installer will now terminate",
            r"(anaconda: failed to fetch stage2 from \S+)",
            r"(dracut-initqueue timeout)",
            r"(Entering emergency mode)",
            r"(An unknown error has occurr?ed)",
            r"(Please (?:make|respond) .+)",
            r"(Pane is dead)",
        ),
        step=r"(Starting automated install|Configuring storage|Creating \w+ on /dev/\w+|Downloading packages|"
        r"Downloading \d+ RPMs|Preparing transaction|Installing \S+ \(\d+/\d+\)|Installing boot loader|"
        r"Performing post-installation setup tasks|Running (?:pre|post)-installation scripts)",
    ),
    "preseed": Patterns(
        prompt=r"(?:\[Press enter to continue\]|Prompt: '\?' for help(?:, default=[^>]*)?>)\s*\Z",
        titles=(r"^!! ERROR: (.+)", r"^-{20,}\n+(.+(?:\n.+)*)", r"^(.+)\n+Prompt: "),
        step=r"^([^\s\[].*?)\s+\.\.\.",
    ),
    "windows": Patterns(
        prompt=rf"^{FAILED}: .+",
        titles=(rf"^{FAILED}: (.+)",),
        step=r"^polyvirt-step: (.+)$",
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


class Progress(Frozen):
    """``text``: the current step, or the error message; empty if unknown."""

    state: str
    text: str = ""


def plain(console):
    """Return the text of a console without control sequences and repeated status lines."""
    text = _CONTROL.sub("", without_sequences(with_plain_line_ends(console)))
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
