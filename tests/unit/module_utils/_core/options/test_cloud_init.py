# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cloud-init reports in a guest: in the form of 22.4 (fewer keys), of 23.4 and later, and without JSON."""

from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.cloud_init import (
    COMMAND,
    DEGRADED,
    DISABLED,
    DONE,
    FAILED,
    MISSING,
    RUNNING,
    UNREADABLE,
    CloudInit,
    problem_of,
    status_of,
    warning_of,
)

_ENDED = {"errors": [], "recoverable_errors": {}, "start": 3.1, "finished": 4.2}
_SEED = "DataSourceNoCloud [seed=/dev/vdb]"
NEW = {
    "boot_status_code": "enabled-by-generator",
    "datasource": "nocloud",
    "detail": _SEED,
    "errors": [],
    "extended_status": "done",
    "init": _ENDED,
    "init-local": _ENDED,
    "last_update": "Thu, 01 Jan 1970 00:00:26 +0000",
    "modules-config": _ENDED,
    "modules-final": _ENDED,
    "recoverable_errors": {},
    "stage": None,
    "status": "done",
}
OLD = {"boot_status_code": "enabled-by-generator", "datasource": "nocloud", "detail": _SEED, "errors": [],
       "last_update": "", "status": "done"}  # fmt: skip
FAULT = "('scripts_user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))"
UNKNOWN_KEY = (
    "cloud-config failed schema validation! You may run 'sudo cloud-init schema --system' to check the details."
)


def failing(stage, text=FAULT):
    return {"status": "error", "extended_status": "error - done", "errors": [text], stage: {**_ENDED, "errors": [text]}}


WARNED = {"extended_status": "degraded done", "recoverable_errors": {"WARNING": [UNKNOWN_KEY], "DEPRECATED": ["users"]}}
RUNS = {
    "status": "running",
    "extended_status": "running",
    "stage": "modules-final",
    "detail": "Running in stage: final",
}
OFF = {"status": "disabled", "datasource": "", "detail": "Cloud-init disabled by cloud-init-generator"}
#: name: (exit code, output, state, stage)
REPORTS = {
    "done": (0, NEW, DONE, ""),
    "done, 22.4": (0, OLD, DONE, ""),
    "running": (0, {**NEW, **RUNS}, RUNNING, "modules-final"),
    "running with warnings": (2, {**NEW, **RUNS, **WARNED, "status": "running"}, RUNNING, "modules-final"),
    "not started": (0, {**NEW, "status": "not started"}, RUNNING, ""),
    "not run, 22.4": (0, {**OLD, "status": "not run"}, RUNNING, ""),
    "failed script": (1, {**NEW, **failing("modules-final")}, FAILED, "modules-final"),
    "failed early": (1, {**NEW, **failing("init-local", "no seed")}, FAILED, "init-local"),
    "failed, exit code patched to 0": (0, {**NEW, **failing("modules-config")}, FAILED, "modules-config"),
    "failed, and still running": (1, {**NEW, **failing("init"), "stage": "modules-final"}, FAILED, "init"),
    "failed, 22.4": (1, {**OLD, "status": "error", "errors": [FAULT]}, FAILED, ""),
    "degraded": (2, {**NEW, **WARNED}, DEGRADED, ""),
    "degraded, exit code patched to 0": (0, {**NEW, **WARNED}, DEGRADED, ""),
    "done with deprecations": (0, {**NEW, "recoverable_errors": {"DEPRECATED": ["users"]}}, DONE, ""),
    "disabled": (0, {**NEW, **OFF, "boot_status_code": "disabled-by-generator"}, DISABLED, ""),
    "unknown status": (0, {**NEW, "status": "dreaming"}, UNREADABLE, ""),
}


@pytest.mark.parametrize("name", REPORTS)
def test_state_follows_from_the_report_and_not_from_the_exit_code(name):
    rc, report, state, stage = REPORTS[name]
    found = status_of(rc, json.dumps(report, indent=1) + "\n")
    assert (found.state, found.stage) == (state, stage)
    assert bool(problem_of(found, "web")) == (state in (FAILED, DISABLED, UNREADABLE))
    assert bool(warning_of(found, "web")) == (state == DEGRADED)


@pytest.mark.parametrize(
    ("rc", "output", "expected"),
    [
        (127, "", CloudInit(MISSING)),
        (124, "", CloudInit(RUNNING)),
        (1, "Traceback (most recent call last)", CloudInit(UNREADABLE, texts=("Traceback (most recent call last)",))),
        (0, "[1]", CloudInit(UNREADABLE, texts=("[1]",))),
        (0, "status: done\ntime: Thu\ndetail:\nDataSourceNoCloud {x}\n", CloudInit(DONE)),
        (0, "status: running\n", CloudInit(RUNNING)),
        (1, "status: error\ndetail:\n('users', KeyError)\n", CloudInit(FAILED, texts=("('users', KeyError)",))),
        (0, "status: disabled\ndetail: off\n", CloudInit(DISABLED)),
    ],
)
def test_output_without_json(rc, output, expected):
    assert status_of(rc, output) == expected


def message_of(report, rc=0):
    return problem_of(status_of(rc, json.dumps({**NEW, **report})), "web").message


def test_failure_names_stage_and_reason():
    assert message_of(failing("modules-final")) == f"web: cloud-init failed in stage modules-final: {FAULT}."


def test_failure_without_reason_is_one_too():
    assert message_of({"status": "error", "detail": None}) == "web: cloud-init failed: no reason given."


def test_long_reasons_are_shortened():
    texts = [f"{number} {'x' * 400}" for number in range(7)]
    message = message_of({**failing("init"), "init": {**_ENDED, "errors": texts}})
    assert len(message) < 1700
    assert message.endswith("... and 2 more.")


NOT_READ = "web: the seed was not read: cloud-init found no datasource."


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({**OFF, "boot_status_code": "disabled-by-generator"}, NOT_READ),
        ({"datasource": "none", "detail": "DataSourceNone"}, NOT_READ),
        (
            {**OFF, "boot_status_code": "disabled-by-marker-file"},
            "web: the seed was not read: cloud-init is off (disabled-by-marker-file).",
        ),
    ],
)
def test_seed_that_was_not_read_is_no_failure_of_cloud_init(report, message):
    assert message_of(report) == message


def test_warning_has_all_texts():
    found = status_of(2, json.dumps({**NEW, **WARNED}))
    assert (
        warning_of(found, "web") == f"web: cloud-init is done, but reported problems: {UNKNOWN_KEY.rstrip('.')}; users."
    )


#: A cloud-init of each version, as a script.
_PROGRAMS = {
    "json": ("""echo '{"status": "error", "errors": ["x"]}'; exit 1""", FAILED),
    "without --format": (
        """case "$*" in *--format*) echo usage >&2; exit 2;; *) printf 'status: done\\n';; esac""",
        DONE,
    ),
    "degraded": ("""echo '{"status": "done", "recoverable_errors": {"WARNING": ["x"]}}'; exit 2""", DEGRADED),
}


@pytest.mark.parametrize("name", _PROGRAMS)
def test_command_works_with_every_version(name, tmp_path):
    script, state = _PROGRAMS[name]
    program = tmp_path / "cloud-init"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    done = _run(f"PATH={tmp_path}:$PATH; {COMMAND}")
    assert status_of(done.returncode, done.stdout).state == state


def test_command_tells_that_there_is_no_cloud_init():
    assert status_of(_run(f"PATH=/nowhere; {COMMAND}").returncode, "").state == MISSING


def _run(command):
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
