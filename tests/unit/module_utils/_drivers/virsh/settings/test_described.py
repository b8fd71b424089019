# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task does not describe of a definition of libvirt: each change behind its back is drift, or is named."""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.task_of import task_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.answers import vm_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer
from ansible_collections.polyvirt.core.plugins.modules import virsh_vm

from suite.described import request_of
from unit.module_utils._drivers.virsh.answers import recorded
from unit.module_utils._drivers.virsh.foreign import ADDED, ODD, OTHERS

HOST = SimpleNamespace(is_local=True, host_architecture="amd64")
TRAITS = virsh_traits("QEMU", "9.0.0", True, host=HOST)
FOREIGN = {
    "odd": ODD,
    **{name: recorded(f"{name}-dumpxml-inactive.xml") for name in ("every-option", "rich", "uefi", "vm1")},
}
#: What libvirt chooses for each VM, or what another program keeps there: a change of it is no change of the VM.
ASSIGNED = re.compile(
    r"name|uuid|metadata/mark.*|devices/\w+/(address|alias)(@.*)?|.*/backingStore.*"
    r"|devices/controller(@index|/(model|target|address).*)?|devices/console.*|.*/target@dev|vcpus.*"
    # A new VM gets the files of its firmware from libvirt, and another MAC address, which is named as its identity.
    r"|os/nvram.*|devices/interface/mac@address"
    # An element that was removed (!), and that libvirt adds again.
    r"|devices/(audio|controller|input|emulator)!|features/smm!|devices/disk/readonly!"
)


def vm_from(root, secrets=None):
    text = ET.tostring(root, encoding="unicode")
    sizes = "".join(f"{target} 1073741824 0 0\n" for target in ("vda", "vdb", "sda", "sdb", "hda"))
    answers = {
        "inactive": Answer(text, None),
        "power": Answer("shut off\n", None),
        "sizes": Answer(f"Target Capacity Allocation Physical\n-----\n{sizes}", None),
        "secrets": secrets or Answer(text, None),
    }
    listing = SimpleNamespace(saved=(), autostarted=(), transient=(), active=())
    return vm_of(root.find("uuid").text, listing, answers, None)


def described(root):
    return task_of(vm_from(root), TRAITS, virsh_vm.MODULE.options)


def named(root):
    return vm_from(root).not_modelled()


def is_drift(task, root):
    planned = plan(vm_from(root), request_of(virsh_vm.MODULE, task), TRAITS)
    return planned.refusal is not None or planned.changed


def paths_below(parent, path=""):
    for child in parent:
        name = child.tag.rpartition("}")[2]
        own = f"{path}/{name}" if path else name
        yield own, parent, child
        yield from paths_below(child, own)


def other(value):
    # Less, because libvirt lowers a current value to the maximum.
    return str(int(value) - 7 if int(value) > 9 else int(value) + 7) if value.isdecimal() else f"other-{value}"


def changed(root):
    """Yield (path, a copy of the definition with one thing changed): each attribute, text and element."""
    for place, (path, _parent, element) in enumerate(list(paths_below(root))):
        edits = [(f"{path}@{name}", edit_attribute(name)) for name in element.attrib]
        edits += [(path, edit_text)] if (element.text or "").strip() else []
        if element.find("source[@file='/images/rich.polyvirt-seed.iso']") is not None:
            continue  # The record has the seed.
        is_switch = not element.attrib and not len(element) and not (element.text or "").strip()
        edits += [(f"{path}!", remove)] if is_switch or path.rpartition("/")[0] in ("devices", "features") else []
        for edited, edit in edits:
            again = copy.deepcopy(root)
            _path, parent, found = list(paths_below(again))[place]
            edit(parent, found)
            yield edited, again


def edit_attribute(name):
    return lambda parent, element: element.set(name, other(element.get(name)))


def edit_text(parent, element):
    element.text = other(element.text.strip())


def remove(parent, element):
    parent.remove(element)


def is_reported(before, root):
    """Whether a task that describes the VM as it was reports the change, or the VM is described otherwise now."""
    try:
        vm = vm_from(root)
    except (PolyvirtError, AttributeError, ValueError, TypeError, KeyError, StopIteration):
        return True  # libvirt does not store such a definition.
    (task, _omitted), others = before
    return others != vm.not_modelled() or is_drift(task, root) or described(root) != before[0]


def is_below(path, others):
    return any(re.match(rf"{re.escape(one)}(\Z|[/@])", path) for one in others)


@pytest.mark.parametrize("name", FOREIGN)
def test_each_change_is_drift_or_named(name):
    root = ET.fromstring(FOREIGN[name])
    before, unseen, count = (described(root), named(root)), set(), 0
    for path, again in changed(root):
        if ASSIGNED.fullmatch(path):
            continue
        count += 1
        if not is_reported(before, again):
            unseen.add(path)
    assert count > 80
    covered = {re.sub(r"\[[^]]*\]", "", path) for path in before[1]}
    assert {
        path for path in unseen if not any(re.match(rf"{re.escape(one)}(\Z|[/@])", path) for one in covered)
    } == set()


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(("place", "added", "path"), ADDED)
def test_what_is_added_is_named(name, place, added, path):
    root = ET.fromstring(FOREIGN[name])
    before = named(root)
    parent = root if place == "." else root.find(place)
    if parent is None:
        return
    parent.append(ET.fromstring(added))
    assert any(re.fullmatch(path, one) for one in {*named(root), *before}), named(root)


@pytest.mark.parametrize(("place", "name", "value"), OTHERS)
def test_another_value_is_drift_or_named(place, name, value):
    root = ET.fromstring(FOREIGN["every-option"])
    before = described(root), named(root)
    element = root.find(place)
    element.set(name, value) if name else setattr(element, "text", value)
    assert is_reported(before, root)


@pytest.mark.parametrize("password", [Answer(None, "read only access"), None], ids=["hidden", "read"])
def test_password_of_the_display_is_named_but_never_its_value(password):
    root = ET.fromstring(FOREIGN["every-option"])
    complete = copy.deepcopy(root)
    complete.find("devices/graphics").set("passwd", "geheim")
    secrets = password or Answer(ET.tostring(complete, encoding="unicode"), None)
    assert "devices/graphics@passwd" in vm_from(root, secrets).not_modelled()
    assert "geheim" not in repr(vm_from(root, secrets))


def test_new_vm_has_nothing_to_name():
    # Of a VM with every option; virt_type is used at creation only.
    assert set(named(ET.fromstring(FOREIGN["every-option"]))) == {"virt_type"}
