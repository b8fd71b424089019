# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts about backups of Proxmox VE: the configuration in a backup, and the log of vzdump."""

from __future__ import annotations

from urllib.parse import unquote

from .._core.pattern import Pattern

_OPTION = Pattern(r"([a-z][a-z0-9_-]*):\s*(.+?)\s*")
#: Lines that vzdump adds, which are no notes of the VM.
_ADDED = ("#qmdump#", "#vzdump#")
NO_AGENT = "the VM has no guest agent (native: {agent: 1})"
_FREEZE, _THAW = "issuing guest-agent 'fs-freeze' command", "issuing guest-agent 'fs-thaw' command"
_SKIPPED, _GOOD, _NOT_SHOWN = "skipping guest-agent 'fs-freeze'", "INFO:", "the log of vzdump does not show it"


def parse_config(text):
    """Return {option: value} of a configuration file; its comments are the notes of the VM (``description``)."""
    options, notes = {}, []
    for line in text.splitlines():
        found = _OPTION.fullmatch(line)
        if line.startswith("["):
            break
        if line.startswith("#") and not line.startswith(_ADDED):
            notes.append(unquote(line[1:]))
        elif found:
            options[found[1]] = found[2]
    return {**options, "description": "\n".join(notes)} if notes else options


def freeze_problem(lines, has_agent):
    """Return why the log of vzdump does not show that the file systems of a running VM were frozen; empty if it does.

    vzdump goes on without a frozen guest. An error of the thaw counts, too: some guests end the freeze themselves. So
    all lines from the freeze to the one after the thaw must be plain ones.
    """
    skipped = next((line for line in lines if _SKIPPED in line), None)
    if skipped or not has_agent:
        return skipped.partition(f"{_SKIPPED}, ")[2] if skipped else NO_AGENT
    begin, end = ([number for number, line in enumerate(lines) if text in line] for text in (_FREEZE, _THAW))
    if not (begin and end):
        return _NOT_SHOWN
    bad = next((line for line in lines[begin[0] : end[-1] + 2] if not line.startswith(_GOOD)), None)
    return "" if bad is None else bad.partition(":")[2].strip() or bad
