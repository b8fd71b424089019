# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes ``ansible_collections.polyvirt.core`` importable from this checkout, and keeps caches out of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# pyproject.toml names this folder too, but conftest files are read before pytest has put it on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts" / "lib"))

from collection_path import CHECKOUT, cache, collections_path

_CACHE = cache()
# pytest's cache_dir (pyproject.toml) and hypothesis read these; they must stand before either looks.
os.environ.setdefault("POLYVIRT_CACHE", str(_CACHE))
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(_CACHE / "hypothesis"))
if sys.pycache_prefix is None:
    sys.pycache_prefix = str(_CACHE / "pycache")

COLLECTIONS_PATH = collections_path()
sys.path.insert(0, str(COLLECTIONS_PATH))
#: The fixtures that are a real platform; one with ``faults(failure)`` tells what proves that it broke.
_PLATFORM_FIXTURES = frozenset({"platform", "qemu", "aside", "box", "box_of_root"})


class PlatformFault(Exception):
    """The platform itself broke, as it wrote down somewhere: the test has found nothing out."""


def pytest_collection_modifyitems(items):
    for item in items:
        if _PLATFORM_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.flaky(reruns=3, only_rerun=[PlatformFault.__name__]))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Nothing but a proven fault of the platform's own makes a test run again, and the report says that it did."""
    try:
        return (yield)
    except (Exception, pytest.fail.Exception) as failure:
        platforms = [pyfuncitem.funcargs[name] for name in sorted(_PLATFORM_FIXTURES & set(pyfuncitem.funcargs))]
        proofs = [proof for one in platforms if hasattr(one, "faults") for proof in one.faults(failure)]
        if proofs:
            raise PlatformFault("; ".join(proofs)) from failure
        raise


@pytest.fixture(scope="session")
def checkout():
    """The folder of this checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def ansible_environment(tmp_path_factory):
    """The environment in which ansible commands find this checkout as polyvirt.core and nothing of the user's."""
    configuration = tmp_path_factory.mktemp("ansible") / "empty.cfg"  # Newer versions refuse other endings.
    configuration.touch()
    return {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS_PATH),
        "ANSIBLE_CONFIG": str(configuration),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
