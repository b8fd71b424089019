# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One mutation: a line of the product and the faulty line that replaces it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Area by the beginning of the file's path; what is left of module_utils carries plans out.
_AREAS = {
    "plugins/module_utils/_core/": "planner",
    "plugins/module_utils/_drivers/virsh/": "virsh",
    "plugins/module_utils/_drivers/vbox/": "vbox",
    "plugins/module_utils/_drivers/vagrant/": "vagrant",
    "plugins/module_utils/_drivers/proxmox/": "proxmox",
    "plugins/module_utils/_drivers/vmm/": "vmm",
    "plugins/module_utils/_drivers/wsl/": "wsl",
    "plugins/module_utils/_drivers/hyperv/": "hyperv",
    "plugins/module_utils/_tools/": "tools",
    "plugins/module_utils/_ports/": "tools",
    "plugins/module_utils/": "acting",
    "plugins/plugin_utils/": "acting",
    "roles/": "roles",
    "playbooks/": "roles",
}
AREAS = tuple(dict.fromkeys(_AREAS.values()))


@dataclass(frozen=True)
class Mutation:
    """``old`` and ``new`` are whole lines without indentation; ``first`` are pytest paths by belt."""

    id: str
    file: str
    old: str
    new: str
    first: Mapping = field(default_factory=dict)

    @property
    def area(self):
        return next(area for start, area in _AREAS.items() if self.file.startswith(start))

    def apply(self, text):
        """``text`` with the mutated line. Raises ValueError unless the old line occurs exactly once."""
        lines = text.split("\n")
        places = [number for number, line in enumerate(lines) if line.strip() == self.old]
        if len(places) != 1:
            raise ValueError(f"{self.id}: the old line occurs {len(places)} times in {self.file}")
        line = lines[places[0]]
        lines[places[0]] = line[: len(line) - len(line.lstrip())] + self.new
        return "\n".join(lines)
