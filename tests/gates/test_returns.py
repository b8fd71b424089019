# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules return is what they document, key by key: all platforms have one shape of result.

Modules that only tell refer to these in their documentation.
"""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Plan, Snapshot, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.results import entry

from collection_path import CHECKOUT
from gates.fragments import assigned

MODULES = {path.stem: path for path in sorted((CHECKOUT / "plugins" / "modules").glob("*.py"))}
_VM = Vm("web", snapshots=(Snapshot("s1"),))
_ENTRY = entry(_VM, "any", Plan(_VM, _VM))


def _documented(name):
    """What a module's ``vms`` contain."""
    return yaml.safe_load(assigned(MODULES[name].read_text(encoding="utf-8"), "RETURN"))["vms"]["contains"]


@pytest.mark.parametrize("name", [name for name in MODULES if name.endswith(("_vm", "_instance"))])
def test_machines_are_returned_as_documented(name):
    assert sorted(_documented(name)) == sorted(_ENTRY)


@pytest.mark.parametrize("name", [name for name in MODULES if name.endswith("_snapshot")])
def test_snapshots_are_returned_as_documented(name):
    assert sorted(_documented(name)["snapshots"]["contains"]) == sorted(_ENTRY["snapshots"][0])
