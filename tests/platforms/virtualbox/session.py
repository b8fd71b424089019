# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one session of calls on any VBoxManage, and write a transcript in which variable parts are replaced."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from suite.limits import wait_until

from .guests import GUESTS, disk_image

SESSION = Path(__file__).with_name("session.txt")
_NOBODY = "11111111-2222-3333-4444-555555555599"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ANSI_C = re.compile(r"\$'((?:[^'\\]|\\.)*)'")
_SECONDS = 20

# (pattern, replacement) of output that differs between runs, or that callers do not use.
_REPLACEMENTS = [
    (re.compile(r"^VBoxManage: error: (Context: |/\S+\.cpp\[).*\n", re.MULTILINE), ""),
    (re.compile(r"^Usage - .*?(?=^VBoxManage: |^--rc=)", re.MULTILINE | re.DOTALL), "USAGE\n"),
    (re.compile(r"^Oracle VirtualBox Command Line .*\nCopyright .*\n\n", re.MULTILINE), "BANNER\n"),
    (re.compile(r"^(\d+%\.\.\.)+", re.MULTILINE), "0%..."),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:-]+\.?\d*Z?"), "TIME"),
    (re.compile(r'^(macaddress\d+=)"(?!080027AABBCC)\w+"', re.MULTILINE), r'\1"MAC"'),
    (re.compile(r"^(Size on disk: +)\d+", re.MULTILINE), r"\1N"),
    # For a new VM, VirtualBox reports sometimes 0 and sometimes 1.
    (re.compile(r'^(localhostReachable=)"[01]"', re.MULTILINE), r'\1"N"'),
    (re.compile(r'^(VideoMode=)"\d+,\d+,\d+"', re.MULTILINE), r'\1"N"'),
]


def session():
    """The lines of the session, one call each."""
    lines = SESSION.read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line.strip() and not line.startswith("#")]


def transcript(call, machines, lines=None):
    """The output of all calls. ``call(*words)`` runs one; ``machines`` is the default machine folder."""
    for kind in GUESTS:
        (machines / f"{kind}.img").write_bytes(disk_image(kind))
    names = {"m": str(machines), "none": _NOBODY}
    outputs = [_run_line(call, line, names) for line in (session() if lines is None else lines)]
    return _masked("".join(outputs), names)


def _run_line(call, line, names):
    name, _equals, command = line.rpartition(" = ") if re.match(r"\w+ = ", line) else ("", "", line)
    words = [_filled(word, names) for word in _words(command)]
    if words[0] == "wait":
        _wait(call, *words[1:])
        return ""
    done = call(*words)
    if name:
        found = _UUID.search(done.stdout)
        names[name] = found[0] if found else f"no UUID for {name}"
    return f"$ {line}\n{done.stdout}--stderr--\n{done.stderr}--rc={done.returncode}--\n"


def _words(command):
    """Split a line like a shell, with line breaks in the form $'...\\n'."""
    plain = _ANSI_C.sub(lambda found: shlex.quote(found[1].replace("\\n", "\n").replace("\\\\", "\\")), command)
    return shlex.split(plain)


def _filled(word, names):
    return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], word)


def _wait(call, machine, state):
    line = f'\nVMState="{state}"\n'
    wait_until(
        lambda: line in call("showvminfo", machine, "--machinereadable").stdout, f"{machine} is {state}", _SECONDS
    )


def _masked(text, names):
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    for name, value in names.items():
        text = text.replace(value, f"{{{name}}}")
    others = {}
    return _UUID.sub(lambda found: others.setdefault(found[0], f"<{len(others) + 1}>"), text)
