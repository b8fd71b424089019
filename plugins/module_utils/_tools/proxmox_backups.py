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
_FREEZE, _SKIPPED, _FAILED = "issuing guest-agent 'fs-freeze' command", "skipping guest-agent 'fs-freeze'", "fsfreeze"


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


def freeze_problem(lines):
    """Return why the file systems of a running VM were not frozen, by the log of vzdump; empty if they were.

    vzdump goes on without a frozen guest. An error of the thaw counts, too: some guests end the freeze themselves.
    """
    failed = next((line for line in lines if line.startswith("ERROR:") and _FAILED in line), None)
    if failed:
        return failed.partition(":")[2].strip()
    if any(_FREEZE in line for line in lines):
        return ""
    skipped = next((line for line in lines if _SKIPPED in line), None)
    return skipped.partition(f"{_SKIPPED}, ")[2] if skipped else NO_AGENT
