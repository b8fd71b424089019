# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace of libvirt in which tasks of community.libvirt and of this collection run."""

from __future__ import annotations

from contextlib import contextmanager

from peers.environment import DEBIAN_PYTHON, Sides, needs_libvirt_bindings
from platforms.libvirt import reading

WEB = "pvd-web"
_XML = """<domain type='test'><name>{name}</name><memory unit='MiB'>128</memory><vcpu>{cpus}</vcpu>
<os><type arch='i686'>hvm</type></os><devices>{nic}</devices></domain>"""
#: (failed, changed) of an Answer.
OK, CHANGED, FAILED = (False, False), (False, True), (True, False)


class Libvirt(Sides):
    module, variables = "community.libvirt.virt", {"ANSIBLE_PYTHON_INTERPRETER": DEBIAN_PYTHON}

    @property
    def connection(self):
        return {"uri": self.platform.uri}

    def theirs(self, *tasks, module=None):
        needs_libvirt_bindings()
        return super().theirs(*tasks, module=module)

    def define(self, cpus=1, nic=""):
        """The options of a task of theirs that defines a VM."""
        return {"command": "define", "xml": _XML.format(name=WEB, cpus=cpus, nic=nic)}

    def created(self, **options):
        """The Answer to a task of ours that creates a VM."""
        answer = self.ours(**{**self.platform.creation, "name": [WEB], **options})
        assert (answer.failed, answer.changed) == (False, True), answer.msg
        return answer

    def power(self):
        """The power state that virsh reports."""
        return reading.POWERS.get(self.platform.virsh("domstate", WEB).strip())


@contextmanager
def opened(platform, folder):
    with platform.kept():
        platform.clean()
        try:
            yield Libvirt(platform, folder)
        finally:
            platform.clean()


def flags(answers):
    return [(one.failed, one.changed) for one in answers]
