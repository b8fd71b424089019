# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes ``ansible_collections.polyvirt.core`` importable from this checkout, and keeps caches out of it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

# pyproject.toml names these folders too, but conftest files are read before pytest has put them on the path.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "extensions"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts" / "lib"))

from collection_path import CHECKOUT, cache, collections_path
from suite import warm_ansible

#: Which tests run, and when a test runs again.
pytest_plugins = ["suite.belts", "suite.rerun"]

_CACHE = cache()
# pytest's cache_dir (pyproject.toml) and hypothesis read these; they must stand before either looks.
os.environ.setdefault("POLYVIRT_CACHE", str(_CACHE))
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(_CACHE / "hypothesis"))
if sys.pycache_prefix is None:
    sys.pycache_prefix = str(_CACHE / "pycache")

# Data for a test may take its time: on a busy host hypothesis would call that a fault of the test.
settings.register_profile("polyvirt", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("polyvirt")

# The parser of libyaml is ten times as fast as the one in Python; Ansible uses it, too.
yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

COLLECTIONS_PATH = collections_path()
sys.path.insert(0, str(COLLECTIONS_PATH))


@pytest.fixture
def may_destroy():
    """For tests of the parts below a plan: what they destroy is in no plan, so they may destroy anything."""
    from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

    with permits.granted(permits.ANYTHING):
        yield


def pytest_configure(config):
    # The folder for temporary files is made by the main process, and a worker has a /tmp of its own.
    if hasattr(config, "workerinput") and config.option.basetemp:
        Path(config.option.basetemp).parent.mkdir(parents=True, exist_ok=True)
    # A real Vagrant takes ten seconds for a task: its double runs the scenarios, and the real one a life.
    if config.getoption("--deep"):
        os.environ.setdefault("POLYVIRT_PAIRS", "10000")
    os.environ.setdefault("POLYVIRT_TEST_VAGRANT", "real" if config.getoption("--deep") else "double")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs):
    """Let workers in a root import from their own Python: it may have no path of the controller's."""
    if any("--root" in str(spec.python) for spec in specs):
        from xdist import workermanage

        workermanage._sys_path = None


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Thousands of tests stay until the end of the run: the garbage collector need not search them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def checkout():
    """The folder of this checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def ansible_environment():
    """The environment in which ansible commands find this checkout as polyvirt.core and nothing of the user's."""
    return {
        **os.environ,
        **warm_ansible.environment(),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS_PATH),
        "ANSIBLE_CONFIG": str(warm_ansible.folder() / "empty.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        # A third less work for each task with a transferred module.
        "ANSIBLE_PIPELINING": "true",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture(scope="session")
def ansible_playbook(ansible_environment):
    """Runs ansible-playbook with these words, and returns (exit code, output)."""

    def run(*words, environment=(), folder=None):
        around = {**ansible_environment, **dict(environment)}
        command = warm_ansible.program("ansible-playbook", *words, environment=around)
        done = subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def pytest_terminal_summary(terminalreporter):
    """Show what tests counted, whether they passed or not: ``record_property("summary", lines)``."""
    reports = [one for found in terminalreporter.stats.values() for one in found if hasattr(one, "user_properties")]
    shown = [
        text
        for one in reports
        if getattr(one, "when", "") == "call"
        for name, text in one.user_properties
        if name == "summary"
    ]
    if shown:
        terminalreporter.section("counts")
        terminalreporter.write_line("\n".join(shown))


@pytest.fixture(name="secret")
def _secret(tmp_path):
    """A file that a foreign image may name."""
    path = tmp_path / "secret"
    path.write_bytes(b"secret".ljust(4096, b"."))
    return path
