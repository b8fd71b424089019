# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration reports the reason of a failure first, not the end of a log."""

from __future__ import annotations

import subprocess

import pytest

NOISE = "".join(f"line {number}\n" for number in range(50))


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ('fatal: [web]: FAILED! => {"changed": false, "msg": "web: no \\"key\\" here", "vms": [{"msg": "x"}]}\n',
         'web: no "key" here'),
        ('fatal: [web]: FAILED! => {"msg": "first\\nsecond"}\n', "first\nsecond"),
        ('fatal: [a]: FAILED! => {"msg": "x"}\nfatal: [b]: UNREACHABLE! => {"msg": "no way"}\n', "no way"),
        ("[ERROR]: the playbook could not be found\n", None),
    ],
)  # fmt: skip
def test_reason_is_message_of_failed_task(checkout, tmp_path, log, reason):
    path = tmp_path / "log"
    path.write_text(f"{NOISE}{log}" + (NOISE if reason else ""), encoding="utf-8")
    script = 'set -euo pipefail; . "$1"; failure_reason "$2"'
    told = subprocess.run(
        ["bash", "-c", script, "bash", str(checkout / "scripts" / "lib" / "failure.sh"), str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.rstrip("\n")
    assert told == reason if reason else told.endswith(log.rstrip("\n"))
