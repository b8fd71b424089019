# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A belt has the same seed, tests and stages whenever it runs; a stage without what it needs fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from collection_path import CHECKOUT

BELTS = ("quick", "full", "deep")
FIXED = """
. "$LIB/host.sh"
. "$LIB/stages_text.sh"
fix_seed
bash -c 'echo ${POLYVIRT_TEST_SEED-}'
"""
#: A program that answers to any other name, too: the date, git, and whatever else a run must not ask for its tests.
ASKED = """#!/bin/sh
echo "$0 $*" >>"$WORK/asked"
"""
#: The stages, with a stand-in for all that they prepare; pytest is a program that writes down its words.
STAGE = """
. "$LIB/host.sh"
. "$LIB/environments.sh"
. "$LIB/roots.sh"
. "$LIB/stages_text.sh"
. "$LIB/stages_real.sh"
in_memory() { "$@"; }
nothing_left() { "$@"; }
in_root_world() { shift; "$@"; }
prepare_root() { echo /root-of-tests; }
prepare_platforms() { :; }
prepare_rulebook() { :; }
unpack_cloud_init() { :; }
other_cores() { :; }
find_python() { :; }
_core_version() { :; }
suite_environment() { echo "$WORK"; }
python() { echo "$*" >>"$WORK/programs"; }
"""
ROOT = """
. "$LIB/host.sh"
. "$LIB/environments.sh"
. "$LIB/roots.sh"
. "$LIB/stages_text.sh"
. "$LIB/stages_real.sh"
root_tree() { echo "$WORK/root"; }
_bootstrap() { $BUILDER; }
_equip() { :; }
nothing_left() { echo "tested with $2"; }
stage_roots
"""


@pytest.fixture(name="shell")
def _shell(tmp_path):
    """Run a part of the script for a belt, in a directory that has stand-ins for programs; returns what has ended."""
    for name, text in {
        "bin/pytest": f'#!/bin/sh\necho "$@" >>"{tmp_path}/words"\n',
        "bin/date": ASKED,
        "bin/git": ASKED,
        "tests/guests/build.sh": "#!/bin/sh\n",
        "tests/guests/debian.sh": "#!/bin/sh\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def shell(script, belt, **environment):
        paths = {"WORK": tmp_path, "POLYVIRT_CACHE": tmp_path, "RUN": tmp_path, "HOME": tmp_path, "CHECKOUT": CHECKOUT}
        environment = {"PATH": f"{tmp_path}/bin:/usr/sbin:/usr/bin:/sbin:/bin", **environment}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"LIB=$CHECKOUT/scripts/lib BELT={belt} SHARD=\n{script}"],
            env={**{name: str(path) for name, path in paths.items()}, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return shell


def test_only_a_deep_run_draws_its_seed(shell, tmp_path):
    seeds = {belt: {shell(FIXED, belt).stdout for _run in range(3)} for belt in BELTS}
    assert [len(seeds[belt]) for belt in BELTS] == [1, 1, 3]
    assert seeds["quick"] == seeds["full"]
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    "words", [["--full", "unit", "--shard", "1/2"], ["unit", "--deep"], ["--shard", "1/2", "unit"]]
)
def test_options_stand_before_or_after_stages(words):
    command = [CHECKOUT / "scripts" / "test.sh", *words, "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no stage 'nonsense'" in done.stderr


@pytest.mark.parametrize("belt", BELTS)
def test_seed_that_is_given_is_kept(shell, belt):
    assert shell(FIXED, belt, POLYVIRT_TEST_SEED="20261224").stdout.split()[0] == "20261224"


@pytest.mark.parametrize("stage", ["unit", "suite", "roots", "cores"])
@pytest.mark.parametrize("belt", BELTS)
def test_stage_runs_the_tests_of_its_belt_and_of_nothing_else(shell, tmp_path, stage, belt):
    done = shell(f"{STAGE}stage_{stage}", belt)
    assert done.returncode == 0, done.stderr
    runs = (tmp_path / "words").read_text(encoding="utf-8").splitlines()
    # Other releases of ansible-core have what a full run has; a bare Debian and Debian testing have no deep tests.
    expected = {"unit": 1, "suite": 1, "roots": 1 + (belt == "deep")}.get(stage, 0)
    assert sum("--quick" in run for run in runs) == (expected if belt == "quick" else 0)
    assert sum("--deep" in run for run in runs) == (expected if belt == "deep" else 0)
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("belt", BELTS)
def test_quick_run_tries_mutations_of_what_has_changed(shell, tmp_path, belt):
    assert shell(f"{STAGE}stage_unit", belt).returncode == 0
    words = (tmp_path / "programs").read_text(encoding="utf-8").split()
    assert words == ["tests/mutations/run.py", "hand", *(["--changed"] if belt == "quick" else [])]


@pytest.mark.parametrize("belt", BELTS)
def test_stage_fails_if_its_root_cannot_be_created(shell, belt):
    done = shell(ROOT, belt, BUILDER="false")
    assert (done.returncode, done.stdout) == (1, "")
    assert "could not create the root 'debian13'" in done.stderr


def test_stage_creates_its_root_once(shell):
    first, again = (shell(ROOT, "full", BUILDER="true") for _run in range(2))
    assert (
        (first.returncode, first.stdout)
        == (again.returncode, again.stdout)
        == (0, "tested with debian13\ntested with bare-debian13\n")
    )
    assert ["creating the root" in done.stderr for done in (first, again)] == [True, False]


#: bash has forgotten the process, as it does if another one gets its number.
CODES = """
. "$LIB/host.sh"
. "$LIB/stages_text.sh"
begun() { with_code "$1" "$2" & disown $!; wait_for=$!; while [ ! -s "$RUN/$1.code" ]; do :; done; }
two() { false; true; }
begun fails two
code_of fails $wait_for && echo "a failure passed"
begun passes true
code_of passes $wait_for || echo "a success failed"
code_of never 1 && echo "what never ran passed"
echo done
"""


def test_exit_codes_of_background_processes_are_kept(shell):
    assert shell(CODES, "full").stdout == "done\n"


_TESTS = """
import time

import pytest
from hypothesis import given, strategies
from suite import belts

@pytest.mark.parametrize("half", range(2))
def test_generated(half, seen=[]):
    @given(strategies.integers())
    def generate(number):
        seen.append(number)
    generate()
    assert belts.seed() == 1
    print("\\nGENERATED", half, hash(tuple(seen)))
    seen.clear()
    time.sleep(2)
"""
#: A second before the last midnight of a year.
_LAST_SECOND = "2027-12-31 23:59:59"


def _pytest(*words, clock=None, **paths):
    done = subprocess.run(
        [
            *(("faketime", "-f", f"@{clock}") if clock else ()),
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            *words,
        ],
        env={**os.environ, "POLYVIRT_TEST_SEED": "", "PYTEST_ADDOPTS": "", **paths},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(name="generated")
def _generated(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["suite.belts"]\n', encoding="utf-8")
    (tmp_path / "test_it.py").write_text(_TESTS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    paths = ":".join(str(CHECKOUT / folder) for folder in ("tests", "scripts/lib"))

    def run(*words, **clock):
        """What hypothesis generated."""
        return sorted(re.findall(r"GENERATED .*", _pytest("-rA", *words, tmp_path, PYTHONPATH=paths, **clock)))

    return run


def test_workers_on_both_sides_of_midnight_generate_the_same_cases(generated):
    today = generated("-p", "no:xdist")
    assert len(today) == 2
    assert generated("-n", "2", clock=_LAST_SECOND) == today


_UNIT = pytest.param(["tests/unit"], 15000, marks=pytest.mark.deep("the same of tests/suite: one selection for all"))


@pytest.mark.full
@pytest.mark.parametrize(("folders", "count"), [(["tests/suite", "tests/platforms"], 3000), _UNIT])
def test_date_does_not_decide_which_tests_run(folders, count):
    words = ("--collect-only", "-q", *folders)
    of_days = [_pytest(*words, clock=clock) for clock in (None, _LAST_SECOND)]
    today, later = ([line for line in output.splitlines() if "::" in line] for output in of_days)
    assert len(today) > count
    assert later == today
