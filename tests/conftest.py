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
