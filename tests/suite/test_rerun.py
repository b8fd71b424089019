# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test runs again only if there is proof of a bug of its platform, and the ledger records it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from collection_path import CHECKOUT

_SUITE = """
import pytest

class Platform:
    def __init__(self, proofs):
        self.proofs = proofs

    def faults(self, failure):
        return [self.proofs.pop()] if self.proofs else []

RUNS = []

@pytest.fixture(scope="session")
def box():
    return Platform(["Assertion failed"] * {proofs})

def test_of_a_platform(box):
    RUNS.append(1)
    print("runs:", len(RUNS))
    assert {passes}

def test_of_no_platform():
    RUNS.append(1)
    assert len(RUNS) > 100
"""


@pytest.mark.parametrize(
    ("proofs", "passes", "outcome", "recorded"),
    [(1, "len(RUNS) == 2", "1 failed, 1 passed", 1), (0, "len(RUNS) == 2", "2 failed", 0), (9, "False", "2 failed", 3)],
    ids=["proof and then passed", "no proof", "proof every time"],
)
def test_only_a_proof_runs_a_test_again(tmp_path, proofs, passes, outcome, recorded):
    (tmp_path / "conftest.py").write_text(
        "from suite.rerun import pytest_pyfunc_call, pytest_runtest_makereport, pytest_runtest_protocol\n"
    )
    (tmp_path / "test_it.py").write_text(_SUITE.format(proofs=proofs, passes=passes))
    paths = ":".join(str(CHECKOUT / folder) for folder in ("tests", "scripts/lib"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", tmp_path],
        env={"PYTHONPATH": paths, "POLYVIRT_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout, done.stdout + done.stderr
    ledger = tmp_path / "reruns.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []
    assert [line["proof"] for line in lines] == ["Assertion failed"] * recorded
    assert "scripts/test.sh run 'test_it.py::test_of_no_platform'" in done.stdout
