# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layer table holds, and its checker notices when it does not."""

from __future__ import annotations

import pytest

from collection_path import CHECKOUT
from gates.layers import CLOCKS, circle, layer_of, violations

PLUGINS = CHECKOUT / "plugins"
FILES = sorted(path.relative_to(PLUGINS).as_posix() for path in PLUGINS.rglob("*.py"))


def test_there_are_plugins_to_look_at():
    assert any(layer_of(path) for path in FILES)


@pytest.mark.parametrize("path", FILES)
def test_layer(path):
    assert violations(path, (PLUGINS / path).read_text(encoding="utf-8")) == []


def test_no_files_import_each_other():
    paths = [path for room in ("plugins", "extensions") for path in (CHECKOUT / room).rglob("*.py")]
    assert circle({path.relative_to(CHECKOUT).as_posix(): path.read_text(encoding="utf-8") for path in paths}) == []


@pytest.mark.parametrize(
    "source", ["from . import a", "from .a import f", "from ..room import a", "def f():\n    from .a import g"]
)
def test_circle_is_found(source):
    others = {"room/a.py": "from .b import f\nfrom os import path", "room/c.py": "from . import a, c"}
    assert set(circle({**others, "room/b.py": source})) == {"room/a.py", "room/b.py"}
    assert circle({**others, "room/b.py": "from .. import a"}) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("modules/virsh_vm.py", "from ..module_utils._engine.task import run"),
        ("modules/virsh_vm.py", "from ..module_utils._drivers import vbox"),
        ("modules/virsh_vm.py", "from ..module_utils._drivers.vbox import Driver"),
        ("modules/virsh_vm.py", "from ..module_utils._core import plan"),
        ("modules/virsh_vm.py", "import subprocess"),
        ("modules/virsh_vm.py", "from ansible_collections.polyvirt.core.plugins.module_utils import _front"),
        ("action/hyperv_vm.py", "from ansible.utils.display import Display"),
        ("module_utils/_engine/task.py", "from .._drivers import virsh"),
        ("module_utils/_engine/task.py", "from .._ports import command"),
        ("module_utils/_engine/task.py", "import time"),
        ("module_utils/_drivers/virsh.py", "from ..._engine import task"),
        ("module_utils/_drivers/virsh.py", "from . import vbox"),
        ("module_utils/_drivers/virsh.py", "from .vbox import Driver"),
        ("module_utils/_drivers/virsh.py", "from ansible.module_utils.basic import AnsibleModule"),
        ("module_utils/_tools/virsh.py", "from .._core import plan"),
        ("module_utils/_tools/virsh.py", "def f():\n    from urllib.request import urlopen"),
        ("module_utils/_ports/command.py", "from .._tools import virsh"),
        ("module_utils/_ports/http.py", "import requests"),
        ("module_utils/_ports/http.py", "try:\n    import requests\nexcept ValueError:\n    pass"),
        ("module_utils/_core/planner/plan.py", "import os.path"),
        ("module_utils/_core/planner/plan.py", "from time import monotonic"),
        ("module_utils/_core/planner/plan.py", "from ..._ports import clock"),
        ("module_utils/_hosts/libvirt/network_host.py", "from ..._drivers.virsh import options"),
        ("module_utils/_drivers/virsh/observe.py", "from ..._hosts.libvirt import network_host"),
        ("module_utils/_core/planner/plan.py", "import yaml"),
        ("module_utils/_core/planner/plan.py", "def f():\n    return open('x')"),
        *(
            ("module_utils/_core/record/leases.py", f"def f():\n    return datetime.{name}()")
            for name in sorted(CLOCKS)
        ),
        ("module_utils/helpers.py", ""),
        ("vars/sizes.py", ""),
    ],
)
def test_a_forbidden_import_is_found(path, source):
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("modules/virsh_vm.py", "from __future__ import annotations\nfrom ..module_utils._drivers.virsh import Driver"),
        ("modules/virsh_vm.py", "from ..module_utils import _front\nfrom ..module_utils._core import options"),
        ("modules/virsh_vm_info.py", "from ..module_utils._drivers import virsh"),
        ("plugin_utils/tasks/in_process.py", "from ansible.plugins.action import ActionBase"),
        ("module_utils/_engine/task.py", "from .._core.plan import plan\nfrom .._ports.clock import Clock"),
        ("module_utils/_drivers/virsh.py", "from . import virsh_disks\nfrom .virsh_networks import read"),
        ("module_utils/_drivers/virsh/disks.py", "from .networks import read\nfrom ..._tools import qemu_img"),
        ("module_utils/_tools/virsh.py", "import os\nfrom .._core.errors import NotFound\nfrom . import qemu_img"),
        ("module_utils/_ports/http.py", "try:\n    import requests\nexcept ImportError:\n    requests = None"),
        ("module_utils/_ports/command.py", "import subprocess\nfrom ansible.module_utils.common import process"),
        (
            "module_utils/_core/planner/plan.py",
            "import dataclasses\nfrom . import errors\nfrom urllib.parse import quote",
        ),
    ],
)
def test_what_the_table_allows_passes(path, source):
    assert violations(path, source) == []
