# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each value of each kind of record is replaced by texts and numbers that no version writes.

The record is damaged, or read as it is, and nothing else happens.
"""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup import manifest as manifests
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup.backup import Backup
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record import mark as marks
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import Expiry
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.reader import Damaged
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv import mark as hyperv_mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import backups as proxmox_backups
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import mark as proxmox_mark
from ansible_collections.polyvirt.core.plugins.module_utils._media import store
from ansible_collections.polyvirt.core.plugins.module_utils._tools import marked_block
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import MARK_NAMESPACE, Definition

from suite.templates import TEMPLATES

UUID, DIGEST = "0e4cfe44-0000-4000-8000-000000000001", "ab" * 32
#: JSON of values that others may write.
POISONS = {
    **{what: json.dumps(text.format(file="/tmp/executed")) for what, text in TEMPLATES.items()},
    "nested": "[" * 3000 + "]" * 3000,
    "unclosed": "[" * 3000,
    "number": "1" + "0" * 30,
    "digits": "9" * 5000,
    "infinite": "1e999",
    "negative": "-1",
    "NUL and ESC": json.dumps("a\0b\x1b[2Jc\u202e"),
    "surrogate": '"\\ud800"',
    "long": json.dumps("x" * (1 << 20)),
    "null": "null",
    "flag": "true",
    "list": "[1]",
    "dictionary": '{"a": 1}',
    "line breaks": json.dumps("a\nb\r\nc"),
    "path": json.dumps("../../etc/passwd"),
}
MARK = marks.with_settings(
    {
        **marks.empty_mark(UUID, "birth"),
        "disks": ["/d/a"], "files": ["/d/b"], "nvram": ["/d/c"], "making": ["/d/e"], "births": ["old"],
        "answers": ["/a"],
        "inputs": {"image": "debian-13", "digest": "sha256:1", "bases": ["/b"], "cloud_init": {"user": "12345678"}},
        "replacing": {"power": "running", "files": ["/d/f"], "id": "b1"}, "unfinished": True,
    },
    {"tags": ("a",), "fleet": "f", "owner": "ann", "expires": Expiry("2027-01-10", 1_799_000_000),
     "created": 1_798_000_000},
)  # fmt: skip
FILES = [
    {"name": "definition.xml", "role": "definition", "size": 1, "sha256": DIGEST},
    {"name": "vda.qcow2", "role": "disk", "size": 1, "sha256": DIGEST, "slot": "vda", "format": "raw",
     "virtual_size": 1, "source": "/d/a"},
]  # fmt: skip
START = 1_790_000_000
ID = manifests.new_id(START, UUID)
BEGUN = manifests.unfinished(Vm("web", power="running"), UUID, "hv1", ID, START, FILES)
MANIFEST = manifests.finished(BEGUN, "crash", FILES, ["note"])
IMAGE = json.loads(
    store.record_of(
        store.Stored(
            path="/i/a.qcow2", name="debian-13", architecture="amd64", file="a", format="qcow2", address="https://h/a",
            fetched="2026-11-29", checked="signature", file_size=3, digest="sha256:1", size=5,
            content=DIGEST, seen=[3, 1, 2],
            golden={"inputs": "one", "version": 1},
        )
    )
)  # fmt: skip
BACKUP = Backup(ID, "web", "101:1:2", START, consistency="crash", power="running", host="pve", excluded=("scsi1",))


def _of_mark(mark, vm_id=UUID):
    """Everything that is read of a mark, whatever VM it is of."""
    for vm in (Vm("web", id=vm_id, birth="birth", power="stopped", mark=mark), Vm("web", id="other", mark=mark)):
        found = marks.marked_settings(mark, vm.id, vm.birth)
        vm = replace(vm, config=found)
        assert marks.own_mark(vm)["id"] == vm.id and isinstance(vm.created, bool)
        marks.image_of(vm)
        assert sorted(marks.own_disks(vm)) == sorted(set(map(str, marks.own_disks(vm))))
        assert marks.parsed(marks.printed(marks.finished_mark(mark or {}))) is not None
        assert marks.damage_warnings([vm]) == [] or not vm.owned


def _libvirt(text):
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    metadata = f"<p:mark xmlns:p='{MARK_NAMESPACE}'>{escaped}</p:mark>"
    _of_mark(Definition(f"<domain><metadata>{metadata}</metadata><devices/></domain>").mark)


def _proxmox(text):
    _of_mark(proxmox_mark.split_notes(f"a note\n<!-- polyvirt {text} -->\nmore")[1])


def _hyperv(text):
    _of_mark(hyperv_mark.mark_of({"Notes": f"a note\n#polyvirt {text}", "Id": UUID, "Name": "web"}))


def _vmd(text):
    lines = marked_block.marked_lines()
    parts = marked_block.split(f'{lines[0]}\n# polyvirt {text}\nvm "web" {{\n}}\n{lines[1]}\n', "/etc/vm.conf")
    for entry in parts.entries.values():
        _of_mark(entry.mark)


def _manifest(text):
    try:
        manifest = manifests.parsed(text, ID, UUID)
    except Damaged as error:
        assert len(str(error)) < 200
        return
    manifests.backup_of(manifest)
    if not manifest["unfinished"]:
        assert manifests.size_problem(manifest, {})
    assert len(manifests.disks_of(manifest)) <= 2
    manifests.file_of(manifest, "disk")


def _image(text):
    found = store.recorded(text.encode("utf-8", "surrogatepass"), "/i/a.qcow2")
    if found is not None:
        assert store.record_of(found) and found.serves(found) and found.is_unchanged([3, 1, 2]) in (True, False)
    store.by_age([one for one in (found, found) if one])


def _notes(text):
    try:
        found = proxmox_backups._record_in(f"web polyvirt {text}\nmore")
    except Damaged:
        return
    assert found is None or Backup(**{**found, "excluded": tuple(found["excluded"])}).is_good


KINDS = {
    "mark of libvirt": (MARK, _libvirt), "mark of Proxmox VE": (MARK, _proxmox), "mark of Hyper-V": (MARK, _hyperv),
    "mark of vmd": (MARK, _vmd), "mark of others": (MARK, lambda text: _of_mark(marks.parsed(text))),
    "manifest": (MANIFEST, _manifest), "manifest of an unfinished backup": (BEGUN, _manifest),
    "record of an image": (IMAGE, _image),
    "notes of a backup": (json.loads(proxmox_backups.notes_of(BACKUP, "pve").partition("polyvirt ")[2]), _notes),
}  # fmt: skip


def _places(value, path=()):
    """The path of each value in a record, containers too."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield (*path, key)
        yield from _places(one, (*path, key))


def _poisoned(record, path, poison):
    """The text of a record in which one value is the JSON of a poison."""
    record, mark = copy.deepcopy(record), "@poison@"
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = mark
    return json.dumps(record).replace(f'"{mark}"', poison)


@pytest.mark.parametrize(("record", "read"), KINDS.values(), ids=KINDS)
def test_each_value_of_a_record_may_be_anything(record, read, record_property):
    read(json.dumps(record))
    tried = 0
    for path in _places(record):
        for poison in POISONS.values():
            read(_poisoned(record, path, poison))
            tried += 1
    for poison in POISONS.values():
        read(poison)
    record_property("summary", f"values of records that are replaced: {tried} cases")
