# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``cloud-init status`` reports in a guest, of all versions: 22.4 has fewer keys than 23.4 and later. Pure.

Exit codes decide nothing: distributions change them.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from ..errors import PolyvirtError

RUNNING, DONE, DEGRADED, FAILED = "running", "done", "degraded", "failed"
#: DISABLED: cloud-init has not run. MISSING: the guest does not have it. UNREADABLE: it reports something unknown.
DISABLED, MISSING, UNREADABLE = "disabled", "missing", "unreadable"

#: The shell command in the guest. A status that hangs is asked for again. Versions before 22 have no --format.
COMMAND = """command -v cloud-init >/dev/null || exit 127
bounded() { if command -v timeout >/dev/null; then timeout 20 "$@"; else "$@"; fi; }
output=$(bounded cloud-init status --format json 2>/dev/null); rc=$?
if [ -z "$output" ] && [ $rc = 2 ]; then output=$(bounded cloud-init status --long 2>/dev/null); rc=$?; fi
printf '%s\n' "$output"; exit $rc
"""
_TIMED_OUT, _NOT_FOUND = 124, 127
_STAGES = ("init-local", "init", "modules-config", "modules-final")
_STATES = {"done": DONE, "error": FAILED, "disabled": DISABLED}
_RUNNING = ("running", "not started", "not run")
_PLAIN = re.compile(r"^(status|detail):[ \t]*(\S.*?)?[ \t]*$(?:\n(?!\w+:)(.+)$)?", re.MULTILINE)
#: Texts in a message, and characters of each.
_MOST, _LONGEST = 5, 300


class CloudInit(NamedTuple):
    """``stage`` is the one that failed or runs; ``texts`` are errors, or of DEGRADED the recoverable ones."""

    state: str
    stage: str = ""
    texts: tuple = ()
    datasource: str = ""
    boot_status: str = ""


def status_of(rc, output):
    """Return CloudInit for the exit code and the output of COMMAND, or of the same command with --wait."""
    if rc == _NOT_FOUND:
        return CloudInit(MISSING)
    report = _report(output)
    if report is None:
        return CloudInit(RUNNING) if rc == _TIMED_OUT else CloudInit(UNREADABLE, texts=_short([output.strip()]))
    status = report.get("status")
    state = RUNNING if status in _RUNNING else _STATES.get(status, UNREADABLE)
    datasource, boot_status = (str(report.get(key) or "") for key in ("datasource", "boot_status_code"))
    stage, texts = _errors(report)
    if state == FAILED or (texts and state == DONE):
        detail = report.get("detail")
        return CloudInit(FAILED, stage, _short(texts or filter(None, [detail])), datasource, boot_status)
    warnings = _recoverable(report)
    if state == DONE and warnings:
        return CloudInit(DEGRADED, "", _short(warnings), datasource, boot_status)
    if state == UNREADABLE:
        return CloudInit(UNREADABLE, "", _short([str(status)]), datasource, boot_status)
    return CloudInit(state, str(report.get("stage") or ""), (), datasource, boot_status)


def problem_of(found, label):
    """Return the error if cloud-init has not done what its seed says, else None; ``label`` is the name of the VM."""
    if found.state == FAILED:
        where = f" in stage {found.stage}" if found.stage else ""
        return PolyvirtError(
            f"{label}: cloud-init failed{where}: {_listed(found.texts) or 'no reason given'}.",
            "See /var/log/cloud-init-output.log in the guest.",
        )
    if found.state == DISABLED or (found.state in (DONE, DEGRADED) and found.datasource == "none"):
        is_off = found.state == DISABLED and found.boot_status not in ("", "disabled-by-generator")
        reason = f"is off ({found.boot_status})" if is_off else "found no datasource"
        return PolyvirtError(
            f"{label}: the seed was not read: cloud-init {reason}.",
            "Set cloud_init in the task that creates the VM, and use an image that reads NoCloud seeds. If the VM has"
            " no seed, wait for ssh.",
        )
    if found.state == MISSING:
        return PolyvirtError(f"{label}: the guest has no cloud-init.", "Use an image with cloud-init, or wait for ssh.")
    if found.state == UNREADABLE:
        return PolyvirtError(
            f"{label}: the status of cloud-init cannot be read: {_listed(found.texts) or 'it is empty'}.",
            "Run cloud-init status --format json in the guest.",
        )
    return None


def warning_of(found, label):
    """Return what cloud-init has warned of, as one sentence; empty if nothing."""
    if found.state != DEGRADED:
        return ""
    return f"{label}: cloud-init is done, but reported problems: {_listed(found.texts)}."


def _report(output):
    """Return the JSON object in the output as a dictionary, or the lines of versions without JSON; None if neither."""
    start = output.find("{")
    try:
        return json.JSONDecoder().raw_decode(output[start:])[0] if start >= 0 else _lines(output)
    except ValueError:
        return _lines(output)


def _lines(output):
    plain = {key: value or below for key, value, below in _PLAIN.findall(output)}
    return plain if "status" in plain else None


def _errors(report):
    """Return (stage, texts) of the first stage with errors; without stages, those of the whole report."""
    for stage in _STAGES:
        texts = _texts((_mapping(report.get(stage))).get("errors"))
        if texts:
            return stage, texts
    return "", _texts(report.get("errors"))


def _recoverable(report):
    # Some versions also list what is only deprecated, and do not call that degraded.
    if report.get("extended_status") == "done":
        return []
    by_level = _mapping(report.get("recoverable_errors"))
    return [text for texts in by_level.values() for text in _texts(texts)]


def _mapping(value):
    return value if isinstance(value, dict) else {}


def _texts(value):
    return [str(one) for one in value] if isinstance(value, list) else []


def _short(texts):
    """Return texts as parts of a sentence: on one line, each once, without their end."""
    lines = dict.fromkeys(" ".join(str(text).split()).rstrip(".") for text in texts)
    return tuple(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in lines if line)


def _listed(texts):
    more = f" and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return "; ".join(texts[:_MOST]) + more
