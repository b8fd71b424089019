# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed of a run is fixed once; only daily runs take turns; a stage without what it needs fails."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from collection_path import CHECKOUT

#: [what a run is called]: DEEP and FULL.
BELTS = {"daily": "DEEP=false FULL=false", "full": "DEEP=false FULL=true", "deep": "DEEP=true FULL=false"}
#: A clock that shows another day to each process that asks.
DATE = """#!/bin/sh
echo . >>"$0.asked"
echo $((20261130 + $(wc -l <"$0.asked")))
"""
FIXED = """
. "$LIB/host.sh"
. "$LIB/stages_text.sh"
fix_seed
bash -c 'echo $POLYVIRT_TEST_SEED'
day_of_run
day_of_run
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
        "bin/date": DATE,
        "tests/guests/build.sh": "#!/bin/sh\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def shell(script, belt, **environment):
        paths = {"WORK": tmp_path, "POLYVIRT_CACHE": tmp_path, "RUN": tmp_path, "HOME": tmp_path, "CHECKOUT": CHECKOUT}
        environment = {"PATH": f"{tmp_path}/bin:/usr/sbin:/usr/bin:/sbin:/bin", **environment}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"LIB=$CHECKOUT/scripts/lib\n{BELTS[belt]}\n{script}"],
            env={**{name: str(path) for name, path in paths.items()}, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return shell


def test_seed_of_a_daily_run_is_its_first_day(shell):
    done = shell(FIXED, "daily")
    seed, *days = done.stdout.split()
    assert (seed, len(set(days))) == ("20261131", 1)
    assert done.stderr.count("POLYVIRT_TEST_SEED=20261131") == 1


def test_seed_of_a_full_run_is_always_the_same_and_a_deep_run_draws_one(shell):
    seeds = {belt: [shell(FIXED, belt).stdout.split()[0] for _run in range(3)] for belt in ("full", "deep")}
    assert (len(set(seeds["full"])), len(set(seeds["deep"]))) == (1, 3)


@pytest.mark.parametrize("belt", BELTS)
def test_seed_that_is_given_is_kept(shell, belt):
    assert shell(FIXED, belt, POLYVIRT_TEST_SEED="20261224").stdout.split()[0] == "20261224"


@pytest.mark.parametrize("stage", ["unit", "suite", "roots", "cores"])
@pytest.mark.parametrize("belt", BELTS)
def test_only_a_daily_run_takes_turns(shell, tmp_path, stage, belt):
    done = shell(f"{STAGE}stage_{stage}", belt)
    assert done.returncode == 0, done.stderr
    runs = (tmp_path / "words").read_text(encoding="utf-8").splitlines()
    takes_turns = belt == "daily" and stage != "cores"
    assert [run for run in runs if ("--turns" in run) is not takes_turns or ("--days" in run and not takes_turns)] == []
    # Other releases of ansible-core have what a full run has; a bare Debian and Debian testing have no deep tests.
    expected = {"unit": 1, "suite": 1, "roots": 2}.get(stage, 0) if belt == "deep" else 0
    assert sum("--deep" in run for run in runs) == expected


@pytest.mark.parametrize("belt", BELTS)
def test_stage_fails_if_its_root_cannot_be_created(shell, belt):
    done = shell(ROOT, belt, BUILDER="false")
    assert (done.returncode, done.stdout) == (1, "")
    assert "could not create the root 'debian13'" in done.stderr


def test_stage_creates_its_root_once(shell):
    first, again = (shell(ROOT, "daily", BUILDER="true") for _run in range(2))
    assert (first.returncode, first.stdout) == (again.returncode, again.stdout) == (0, "tested with debian13\n")
    assert ["creating the root" in done.stderr for done in (first, again)] == [True, False]


#: Tests of which each has one day of six, and a clock that has passed midnight in one of two workers.
_CONFTEST = """
import datetime
import os
from types import SimpleNamespace

pytest_plugins = ["suite.depth"]

def pytest_addhooks():
    from suite import depth

    class Date(datetime.date):
        @classmethod
        def today(cls):
            return datetime.date(2026, 11, 30) + datetime.timedelta(os.environ.get("PYTEST_XDIST_WORKER") == "gw1")

    depth.datetime = SimpleNamespace(date=Date, datetime=datetime.datetime, timedelta=datetime.timedelta)
"""
_TESTS = """
import pytest
from hypothesis import given, strategies
from suite import depth

@pytest.mark.rotated(6)
@pytest.mark.parametrize("number", range(36))
def test_it(number):
    assert depth.seed() == 20261130

@pytest.mark.parametrize("half", range(2))
def test_generated(half, seen=[]):
    @given(strategies.integers())
    def generate(number):
        seen.append(number)
    generate()
    print("\\nGENERATED", half, hash(tuple(seen)))
    seen.clear()
"""


@pytest.fixture(name="run")
def _run(tmp_path):
    (tmp_path / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(_TESTS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = rotated\n", encoding="utf-8")
    paths = ":".join(str(CHECKOUT / folder) for folder in ("tests", "scripts/lib"))

    def run(*words):
        """Returns (exit code, tests that passed, what hypothesis generated, whole output)."""
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "--turns", *words, tmp_path],
            env={"PYTHONPATH": paths, "POLYVIRT_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        passed = sorted(set(re.findall(r"^PASSED (\S+)", done.stdout, re.MULTILINE)))
        return done.returncode, passed, sorted(re.findall(r"GENERATED .*", done.stdout)), done.stdout + done.stderr

    return run


def test_workers_on_both_sides_of_midnight_run_the_tests_of_one_seed(run):
    code, passed, generated, output = run("-n", "2")
    assert code == 0, output
    assert output.count("POLYVIRT_TEST_SEED=20261130") == 1
    assert len(passed) == 6 + 2
    assert run("-p", "no:xdist")[:3] == (code, passed, generated)
