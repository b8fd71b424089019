# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that libvirt's own schema permits in a definition is described: a task has it, or it is named.

Each element, attribute and value that libvirt's test driver accepts stands alone in a VM, and beside another one. The
task of the VM changes nothing.
"""

from __future__ import annotations

import copy
import itertools
import random
import re
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.task_of import task_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.answers import vm_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer
from ansible_collections.polyvirt.core.plugins.modules import virsh_vm

from suite.belts import is_deep, seed
from suite.described import request_of
from suite.schemas import Schema, paths

pytestmark = pytest.mark.full

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
#: As this collection creates a VM.
NEW = """<domain type='test'><name>web</name><uuid>5f6b0e5e-3a1c-4c0b-9d6e-000000000000</uuid>
<memory unit='KiB'>1048576</memory><vcpu>2</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>
<features><acpi/><apic/></features><cpu mode='host-passthrough'/><clock offset='utc'/>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/><source file='/data/web.qcow2'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/iso/w.iso'/>
<target dev='sda' bus='sata'/><readonly/></disk>
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/><model type='virtio'/>
</interface>
<serial type='pty'><target port='0'/></serial><console type='pty'><target type='serial' port='0'/></console>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/><video><model type='vga'/></video>
<memballoon model='virtio'/><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices>
</domain>"""
_UUID = "9d6e-{:012x}</uuid>"
_SIZES = "Target Capacity Allocation Physical\n-----\nvda 8589934592 1 1\n"
#: What identifies the VM, and what this collection leaves to libvirt (settings/described.py). The architecture is named
#: for each VM. QEMU rejects a VM without CPUs. The last are parts that libvirt adds to a VM of QEMU by itself.
_LEFT_OUT = re.compile(
    r"/domain(@|/(name|uuid|memory)\b)|devices/([\w-]+/(address|alias)\b|controller|interface/mac)|backingStore"
    r"|os/type@arch|cpu@(check|migratable)|vcpu@enabled=no"
    r"|input@type=(mouse|keyboard)|audio@id=1|serial/target(/model|@type=(isa|system)-serial)|seclabel@type=dynamic"
)
#: Definitions for one process.
_BATCH = 20
#: In a full run.
PAIRS = 3000


def _parts():
    """{path: (element as a change of NEW, in a device of NEW)} of all that the schema permits."""
    seen, found, usual = set(), {}, ET.fromstring(NEW)
    for variant in Schema(SCHEMA).variants("domain"):
        new = {path for path in paths(variant) if not _LEFT_OUT.search(path)} - seen
        if not new:
            continue
        seen |= new
        _without_old(variant, new, "/domain", usual)
        found[min(new, key=lambda path: (len(path), path))] = variant
    return found


def _without_old(element, new, path, usual):
    """Leave out of a variant what NEW has, too: its schema requires a type of each system, but has xen as the first."""
    if usual is None:
        return
    for name, value in list(element.attrib.items()):
        if f"{path}@{name}={value}" not in new:
            del element.attrib[name]
    element.text = element.text if any(one.startswith(f"{path}=") for one in new) else None
    for child in element:
        _without_old(child, new, f"{path}/{child.tag}", usual.find(child.tag))


def _merged(element, part, is_added):
    """Write a part into an element; ``is_added``: devices are further ones."""
    element.attrib.update(part.attrib)
    element.text = part.text or element.text
    for child in part:
        found = None if is_added and element.tag == "devices" else element.find(child.tag)
        if found is None:
            element.append(copy.deepcopy(child))
        else:
            _merged(found, child, is_added)


def _document(*parts, is_added):
    root = ET.fromstring(NEW)
    for part in parts:
        _merged(root, part, is_added)
    return ET.tostring(root, encoding="unicode")


def _defined(documents, folder):
    """Return {number: definition} as libvirt stores those that it accepts."""
    scripts = [_script(number, text, folder) for number, text in enumerate(documents)]
    batches = [scripts[first : first + _BATCH] for first in range(0, len(scripts), _BATCH)]
    out = "".join(_virsh("".join(batch)) or "".join(map(_virsh, batch)) for batch in batches)
    found = re.findall(r"BEGIN (\d+)\n[^<]*(<domain.*?\n</domain>\n)", out, re.S)
    return {int(number): _as_qemu(int(number), text) for number, text in found}


def _script(number, text, folder):
    file = folder / f"{number}.xml"
    text = text.replace("<name>web<", f"<name>web{number}<").replace(_UUID.format(0), _UUID.format(number))
    file.write_text(text, encoding="utf-8")
    show = f"dumpxml --inactive --security-info web{number}"
    return f"define {file}\necho BEGIN {number}\n{show}\nundefine web{number}\n"


def _virsh(script):
    """The output of the test driver; empty if it has crashed, which libvirt 9.0 does for some definitions."""
    virsh = ["virsh", "-q", "-c", "test:///default"]
    done = subprocess.run(virsh, input=script, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode >= 0 else ""


def _as_qemu(number, text):
    text = text.replace(f"<name>web{number}<", "<name>web<").replace(_UUID.format(number), _UUID.format(0))
    return text.replace("<domain type='test'", "<domain type='kvm'").replace("'testnet0'", "'vnet0'")


def _described(text):
    """(task, {path of what is not in the task}, what a run of the task would do) of a definition."""
    answers = {"inactive": Answer(text, None), "power": Answer("shut off\n", None), "sizes": Answer(_SIZES, None)}
    listing = SimpleNamespace(saved=(), autostarted=(), transient=(), active=())
    uuid = re.search("<uuid>(.*?)</uuid>", text)[1]
    vm, traits = vm_of(uuid, listing, answers, None), virsh_traits("QEMU", "9.0.0", True)
    task, omitted = task_of(vm, traits, virsh_vm.MODULE.options)
    planned = plan(vm, request_of(virsh_vm.MODULE, task), traits)
    return task, {one["path"] for one in omitted}, planned


def _fault(text, usual):
    """What is wrong with the description of a definition, or None."""
    task, omitted, planned = _described(text)
    if planned.refusal or planned.changed:
        return f"its task changes the VM: {planned.refusal} {planned.segments}"
    return "it is not named" if (task, omitted) == usual[:2] else None


def _faults(documents, found, counts):
    """[(label, fault)] of {label: document}, of which the first is NEW; ``found``: those that libvirt accepts."""
    usual, faults = _described(found[0]), []
    for number, label in enumerate(documents):
        if number not in found:
            counts["rejected by libvirt"] += 1
        elif number and found[number] == found[0]:
            counts["no effect"] += 1
        elif number:
            counts["described"] += 1
            fault = _fault(found[number], usual)
            faults += [(label, fault)] if fault else []
    return faults


@pytest.fixture(scope="module", name="alone")
def _alone(tmp_path_factory):
    """{path: part}, {(path, how): document with this part alone}, {number of a document: definition}."""
    parts, ways = _parts(), ("added", "in its place")
    changed = {(path, way): _document(part, is_added=way == "added") for path, part in parts.items() for way in ways}
    documents = {"NEW": NEW, **changed}
    return parts, documents, _defined(documents.values(), tmp_path_factory.mktemp("alone"))


def test_each_part(alone, record_property):
    _, documents, found = alone
    counts = Counter()
    faults = _faults(documents, found, counts)
    record_property("summary", f"parts of definitions: {dict(counts)}")
    assert not faults, "\n".join(map(str, faults))


def test_pairs_of_parts(alone, tmp_path_factory, pytestconfig, record_property):
    parts, documents, found = alone
    accepted = [label[0] for number, label in enumerate(documents) if number in found and label[1] == "added"]
    pairs = list(itertools.combinations(accepted, 2))
    chosen = pairs if is_deep(pytestconfig) else random.Random(seed()).sample(pairs, PAIRS)
    counts, faults = Counter(), []
    for first in range(0, len(chosen), PAIRS):
        both = {pair: _document(*map(parts.get, pair), is_added=True) for pair in chosen[first : first + PAIRS]}
        both = {"NEW": NEW, **both}
        faults += _faults(both, _defined(both.values(), tmp_path_factory.mktemp("pairs")), counts)
    record_property("summary", f"pairs of parts: {dict(counts)} of {len(pairs)}")
    assert not faults, "\n".join(map(str, faults))
