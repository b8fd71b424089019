# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflows run what scripts/test.sh runs: every stage, and every version of ansible-core."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.observe import OLDEST as PROXMOX
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import OLDEST as VIRTUALBOX

from collection_path import CHECKOUT
from lib.versions import PLATFORMS, cores_of_tests, platforms

FOLDER = CHECKOUT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
SCRIPT = (CHECKOUT / "scripts" / "test.sh").read_text(encoding="utf-8")
STAGES = re.search(r"readonly STAGES=\((.*?)\)", SCRIPT)[1].split()
DEEP = re.search(r'readonly DEEP_STAGES="(.*?)"', SCRIPT)[1].split()
#: The stages of which each job runs one part of the tests.
SHARDED = {"unit", "suite"}
#: What a workflow calls instead of steps of its own.
_WORDS = ("--full", "--deep", '"$STAGE"', "$PART")
ALL_TESTS = "./.github/workflows/deep.yml"


def _workflow(name):
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))


def _jobs(file):
    return yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()


def _matrix(name):
    return _workflow(name)["jobs"]["stage"]["strategy"]["matrix"]


def _excuses(*parts):
    """The settings by which a job or a step may not run, or may fail."""
    return {"if", "continue-on-error"}.intersection(name for part in parts for name in part)


def test_workflow_of_changes_runs_all_stages_of_a_full_run_on_each_debian():
    """A stage in parts has each part once."""
    jobs = _matrix("tests")["part"]
    shards = {
        stage: [part.split()[1:] for part in jobs if part.split()[0] == stage] for stage in set(STAGES) - set(DEEP)
    }
    for stage, words in shards.items():
        count = len(words)
        expected = [["--shard", f"{number}/{count}"] for number in range(1, count + 1)] if stage in SHARDED else [[]]
        assert words == expected, stage
    (job,) = _workflow("tests")["jobs"].values()
    assert _excuses(job, *job["steps"]) == set()


def test_continuous_integration_runs_the_command_of_the_readme():
    last = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1]
    assert last.endswith('/../scripts/test.sh" --full </dev/null')
    assert "scripts/test.sh" in (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_weekly_workflow_runs_all_stages():
    """Each stage with --deep; no condition leaves one out, and the failure of each one counts."""
    (job,) = _workflow("deep")["jobs"].values()
    assert set(job["strategy"]["matrix"]) == {"include"}
    assert {one["stage"] for one in _matrix("deep")["include"]} == set(STAGES)
    run = job["steps"][-1]
    assert (run["run"], run["env"]) == ('scripts/test.sh --deep "$STAGE"', {"STAGE": "${{ matrix.stage }}"})
    assert _excuses(job, *job["steps"]) == set()


def test_release_is_published_only_after_all_stages_of_the_weekly_workflow():
    assert "workflow_call" in _workflow("deep")[True]
    jobs = _workflow("release")["jobs"]
    assert jobs["test"] == {"needs": "tag", "uses": ALL_TESTS}
    assert jobs["publish"]["needs"] == "test"
    # A condition such as always() would publish after a failure.
    assert _excuses(*jobs.values()) == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_tests_run_by_the_script_only(file):
    """What a job runs can be run on any host, by the same command."""
    jobs = list(_jobs(file))
    commands = [step["run"] for job in jobs for step in job.get("steps", ()) if "run" in step]
    stages = [line for command in commands for line in command.splitlines() if "pytest" in line or "test.sh" in line]
    assert stages or ALL_TESTS in [job.get("uses") for job in jobs]
    assert all(line.startswith("scripts/test.sh ") for line in stages)
    named = [word for line in stages for word in line.split()[1:] if word not in _WORDS]
    assert set(named) <= set(STAGES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_workflow_cannot_change_the_repository(file):
    """Names of branches and tags are never part of a command, and only the publishing job has a secret."""
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
    for job in _jobs(file):
        if "uses" in job:
            assert job["uses"] == ALL_TESTS
            assert "secrets" not in job
            continue
        assert job["timeout-minutes"] <= 360
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), step["run"]
            if "uses" in step:
                # A tag can be moved to other code, the hash of a commit cannot.
                assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", step["uses"])
                assert step["with"]["persist-credentials"] is False
        assert "secrets." not in str(job) or job["environment"] == "galaxy"


def test_tests_run_for_each_change_and_each_day():
    # YAML reads the key "on" as true.
    triggers = _workflow("tests")[True]
    assert {"pull_request", "push", "schedule"} <= set(triggers)


def test_tested_versions_begin_with_the_oldest_supported_one():
    cores = cores_of_tests(CHECKOUT)
    minors = [tuple(map(int, re.findall(r"\d+", core)[:2])) for core in cores]
    assert minors == [(2, minor) for minor in range(16, 16 + len(minors))]
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert f"tested with 2.16 to 2.{minors[-1][1]})" in readme


def test_other_pages_have_the_same_oldest_versions():
    pages = [CHECKOUT / "README.md", *(path for path in (CHECKOUT / "docs").glob("*.md") if path.stem != "versions")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    rows = list(platforms(CHECKOUT, {"virtualbox": VIRTUALBOX, "proxmox": PROXMOX}))
    assert len(rows) == len(PLATFORMS)
    assert [what for what, oldest, _tested in rows if f"{oldest} and later" not in text] == []
