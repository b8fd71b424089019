# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double answers like a real PowerShell: recorded requests of windows_calls, and calls of Hyper-V's commands."""

from __future__ import annotations

import json
import subprocess

import pytest

from platforms.windows.binder import BindingError, Command, bind
from platforms.windows.conversions import Types
from platforms.windows.golden_answers import comparable, load, recorded_requests
from platforms.windows.objects import NetObject
from platforms.windows.programs import Files, Finished, split
from platforms.windows.sample import sample_host

BINDINGS, SIGNATURES = load("hyperv_binding"), load("hyperv_signatures")
TYPES = Types(SIGNATURES["enums"], SIGNATURES["bases"])


def _run(file, arguments, stdin, environment, seconds):
    """Run a real program, because the recorded requests start shells of Linux."""
    try:
        done = subprocess.run(
            [file, *split(arguments)], input=stdin, env=environment, capture_output=True, check=False, timeout=seconds
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        return Finished(0, seconds=seconds)
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("case", recorded_requests(), ids=lambda case: case["name"])
def test_request_is_answered_as_recorded(case):
    files = Files(["DIR/files"], {"POLY_DIR": "DIR/files"})
    host = sample_host(modules=["Microsoft.PowerShell.Utility"], run=_run, files=files)
    answer = host.answer(json.dumps(case["request"]))
    assert answer.isascii()
    assert comparable(json.loads(answer)) == comparable(case["answer"])


def _value(value):
    if isinstance(value, dict):
        return NetObject(value["object"])
    return (
        [_value(item) for item in value] if isinstance(value, list) else value[1:] if isinstance(value, str) else value
    )


@pytest.mark.parametrize("cmdlet", SIGNATURES["cmdlets"])
def test_calls_bind_as_recorded(cmdlet):
    command = Command(cmdlet, SIGNATURES["cmdlets"][cmdlet], TYPES)
    for case in (case for case in BINDINGS if case["cmdlet"] == cmdlet):
        try:
            bound = bind(command, {name: _value(value) for name, value in case["with"].items()})
            found = {"binds": {"set": bound.set, "parameters": sorted(bound.values, key=str.lower)}}
        except BindingError as error:
            found = {"error": {"id": error.id, "category": error.category, "type": error.type}}
        assert found == {key: case[key] for key in ("binds", "error") if key in case}, case
