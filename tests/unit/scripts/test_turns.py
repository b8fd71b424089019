# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes minutes runs on one day of eleven, and in a deep run; what has changed does not wait for its turn."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from suite import depth, subjects

#: Eleven days from the end of one month to the next.
DAYS = [*range(20261126, 20261131), *range(20261201, 20261207)]
ON = """
. "$1/stages_text.sh"
DEEP=$2 FULL=$3
for name in vm reset "${LONG[@]}"; do ! is_turn_of "$name" "${LONG[@]}" || echo "$name"; done
"""
ALTERNATING = """
. "$1/stages_text.sh"
DEEP=false FULL=false
for name in "${ALTERNATING[@]}"; do ! is_turn_of "$name" "${ALTERNATING[@]}" || echo "$name"; done
"""
CHANGED = """
CHECKOUT=$2
. "$1/stages_text.sh"
changed_files plugins tests/config.yml
"""
IN_FULL = """
. "$1/stages_text.sh"
. "$1/stages_real.sh"
DEEP=$2 FULL=false POLYVIRT_CACHE=$3
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


def test_long_parts_have_one_day_of_eleven_each(run):
    of_days = [run(ON, "false", "false", POLYVIRT_TEST_SEED=str(day)) for day in DAYS]
    assert {tuple(names[:2]) for names in of_days} == {("vm", "reset")}
    assert sorted(name for names in of_days for name in names[2:]) == sorted(run(ON, "true", "false")[2:])
    assert run(ON, "true", "false") == run(ON, "false", "true")
    assert {len(names) for names in of_days} == {3}


def test_seed_that_is_no_date_is_the_number_of_a_day(run):
    first, again, other = (run(ON, "false", "false", POLYVIRT_TEST_SEED=str(day)) for day in (5, 16, 17))
    assert first == again != other


def test_ansible_lint_and_the_oldest_core_alternate(run):
    of_days = [run(ALTERNATING, POLYVIRT_TEST_SEED=str(day)) for day in DAYS[:10]]
    assert of_days in ([["ansible_lint"], ["oldest_core"]] * 5, [["oldest_core"], ["ansible_lint"]] * 5)


@pytest.mark.parametrize(
    ("notes", "deep", "printed"),
    [([], "false", []), (["old"], "false", ["all"]), (["old", "new"], "false", []), (["new"], "true", ["all"])],
)
def test_plays_whose_files_have_changed_since_they_passed_all_run(run, tmp_path, notes, deep, printed):
    (tmp_path / "passed").mkdir()
    for note in notes:
        (tmp_path / "passed" / f"name-{note}").touch()
    assert run(IN_FULL, deep, tmp_path) == printed


def test_every_test_of_this_run_has_its_turn_within_twelve_days(request):
    """Of all unit tests that this run has collected; tests/suite/test_depth.py has the same test for the suite."""
    assert depth.without_turn(request.session) == []


def test_tests_of_an_unchanged_subject_take_turns(monkeypatch):
    changed = []
    monkeypatch.setattr(subjects, "changed_files", lambda _checkout: changed)
    checkout = Path(subjects.__file__).resolve().parents[2]
    days = lambda name: subjects.days_of.__wrapped__(checkout / name)  # noqa: E731
    of_vbox = "tests/unit/module_utils/_drivers/vbox/settings/test_networks.py"
    assert [days(of_vbox), days("tests/unit/tables/test_vmm.py"), days("/elsewhere/test_a.py")] == [subjects.DAYS, 1, 1]
    for changed[:] in (
        ["plugins/module_utils/_drivers/vbox/power.py"],
        ["tests/platforms/virtualbox/bench.py"],
        [of_vbox],
    ):
        assert days(of_vbox) == 1, changed
    changed[:] = ["plugins/module_utils/_drivers/vmm/power.py", "docs/testing.md"]
    assert days(of_vbox) == subjects.DAYS


def test_every_subject_exists(checkout):
    for tests, subject in (*subjects.SUBJECTS.items(), ("tests/suite", subjects.LIBVIRT)):
        assert [start for start in (tests, *subject) if not list(checkout.glob(f"{start}*"))] == [], tests


def test_changes_are_those_of_the_last_commit_and_of_none(run, tmp_path):
    def git(*words):
        names = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", tmp_path, *names, *words], check=True, capture_output=True)

    def commit(*names):
        for name in names:
            (tmp_path / name).write_text(f"{len(names)}\n", encoding="utf-8")
        git("add", ".")
        git("commit", "-m", "files")

    def changed():
        """By the functions in Python and in bash."""
        return sorted(subjects.changed_files.__wrapped__(tmp_path)), sorted(run(CHANGED, tmp_path))

    assert subjects.changed_files.__wrapped__(tmp_path) == ()
    (tmp_path / "plugins").mkdir()
    git("init")
    commit("old", "plugins/same")
    assert changed() == ([], [])
    (tmp_path / "new").touch()
    assert changed() == (["new"], [])
    commit("other", "plugins/one", "new")
    (tmp_path / "old").unlink()
    assert changed() == (["new", "old", "other", "plugins/one"], ["plugins/one"])
    git("commit", "-a", "-m", "no file of plugins")
    assert changed() == (["old"], [])
    (tmp_path / "plugins" / "not_added").touch()
    assert changed() == (["old", "plugins/not_added"], ["plugins/not_added"])
