# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load recorded requests, and normalize answers so that those of two hosts can be compared."""

from __future__ import annotations

import json
import re
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def load(name):
    """The content of a file of recordings."""
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def recorded_requests():
    """All recorded requests of windows_calls, with their answers: [{"name", "request", "answer"}]."""
    return load("calls") + load("calls_more") + load("calls_append")


def comparable(answer, replaced=()):
    """The answer without values that differ from run to run, and without the messages of errors in binding."""
    text = re.sub(r"\b[0-9a-f]{32}\.tmp", "GUID.tmp", json.dumps(answer))
    for found, name in replaced:
        text = text.replace(found, name)
    answer = json.loads(text)
    errors = [call["error"] for chain in answer["chains"] for call in chain["calls"] if "error" in call]
    for error in errors:
        if "ParameterBinding" in error["type"]:
            error["message"] = ""
    return answer
