# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes minutes runs on one day of ten, all of it in a deep run; changed plays do not wait for their turn."""

from __future__ import annotations

import subprocess

import pytest

DAYS = range(20261111, 20261121)
ON = """
. "$1/stages_text.sh"
DEEP=$2
for name in vm reset "${LONG[@]}"; do ! is_turn_of "$name" "${LONG[@]}" || echo "$name"; done
"""
IN_FULL = """
. "$1/stages_text.sh"
. "$1/stages_real.sh"
DEEP=$2 POLYVIRT_CACHE=$3
! runs_in_full name "$POLYVIRT_CACHE/passed/name-new" || echo all
"""


@pytest.fixture(name="run")
def _run(checkout):
    def run(script, *words, **environment):
        command = ["bash", "-euc", script, "bash", checkout / "scripts" / "lib", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin", **environment}
        )
        return done.stdout.split()

    return run


def test_long_parts_have_one_day_of_ten_each(run):
    of_days = [run(ON, "false", POLYVIRT_TEST_SEED=str(day)) for day in DAYS]
    assert {tuple(names[:2]) for names in of_days} == {("vm", "reset")}
    assert sorted(name for names in of_days for name in names[2:]) == sorted(run(ON, "true")[2:])
    assert {len(names) for names in of_days} == {3}


@pytest.mark.parametrize(
    ("notes", "deep", "printed"),
    [([], "false", []), (["old"], "false", ["all"]), (["old", "new"], "false", []), (["new"], "true", ["all"])],
)
def test_plays_whose_files_have_changed_since_they_passed_all_run(run, tmp_path, notes, deep, printed):
    (tmp_path / "passed").mkdir()
    for note in notes:
        (tmp_path / "passed" / f"name-{note}").touch()
    assert run(IN_FULL, deep, tmp_path) == printed
