# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a plan needs: which they are, and each refusal with its wording, on a platform in memory."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, PolyvirtError, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    Change,
    Plan,
    Step,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.planned_steps import planned
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import FILE as FILE_CLAIM
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    MERGE,
    NEW,
    SNAPSHOT,
    HoldsClaims,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.file_checks import check_files
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.needed_files import (
    COPIED,
    DEVICE,
    DISK,
    FILE,
    FOLDER,
    IMAGE,
    FileFacts,
    Image,
    Needed,
    needed_files,
)
from ansible_collections.polyvirt.core.plugins.module_utils._kit.space import ReservedSpace

GIB = 1 << 30
#: The host: a directory for new files, an image, an ISO image, a device and the disk of the source "base".
HOST = {
    "/vms": FOLDER,
    "/images": FOLDER,
    "/images/a.qcow2": Image("qcow2", GIB),
    "/images/a.iso": FILE,
    "/images/text.iso": FILE,
    "/images/fd": "special file",
    "/dev/lv": DEVICE,
    "/vms/base-vda.qcow2": Image("qcow2", GIB),
}


class Claims(HoldsClaims):
    def file_identity(self, path):
        return f"inode of {path}"

    def step_files(self, plan, step):
        disks = {change.key: change.new for change in step.changes if change.kind == "disks.add"}
        disks = step.arguments.get("config", {}).get("disks", disks)
        if (step.arguments.get("creation") or {}).get("cloud_init"):
            yield NEW, "cloud_init", f"/vms/{plan.after.name}.iso"
        for slot, disk in disks.items():
            if not disk.get("source"):
                yield NEW, f"disks.{slot}", f"{disk.get('directory') or '/vms'}/{plan.after.name}-{slot}.qcow2"
        for change in step.changes:
            if change.field == "serial_log":
                yield NEW, "serial_log", change.new
        if step.verb == "drop_snapshot":
            yield MERGE, "snapshots.s", "/vms/frozen"
        if step.verb == "snapshot":
            yield SNAPSHOT, "disks.vda", "/vms/d"


class Host(FileFacts):
    """A host in memory. ``files``: {path: kind or Image}; attributes can be set by keyword."""

    platform, formats, converts_to, first = "Toy", dict.fromkeys((IMAGE, COPIED), ("raw", "qcow2")), "qcow2", "vda"
    by_platform, own_folder, reads, devices = ("serial_log",), ("serial_log",), ("boot",), True
    folder_option, leftovers, locked, free_bytes = "storage_path", (), (), None
    #: Files that another program has open, or writes.
    opened = written = memory = faults = ()
    most = 4 * GIB

    def __init__(self, plan, files, **attributes):
        super().__init__(Claims(), plan)
        self.files = files
        vars(self).update(attributes)

    def kind(self, path):
        found = self.files.get(path, "")
        return FILE if isinstance(found, Image) else found

    def may_read(self, path):
        return path not in self.locked

    may_write = may_read

    def in_use(self, path):
        return path in self.opened

    def is_written(self, item):
        return item.path in self.written

    def is_iso(self, path):
        return path == "/images/a.iso"

    def folder(self, item):
        return item.path.rpartition("/")[0]

    def place_fault(self, folder):
        return dict(self.faults).get(folder, ())

    def is_in_memory(self, folder):
        return folder in self.memory

    def is_leftover(self, item):
        return item.path in self.leftovers

    def copied(self, one):
        linked = one.step.arguments["creation"]["clone"]["linked"]
        return [Needed(COPIED, "clone.source", "/vms/base-vda.qcow2", "vda", linked=linked)]

    def image(self, item):
        found = self.files[item.path]
        return found if isinstance(found, Image) else None

    def no_growth(self, item):
        return ("this disk cannot be enlarged", "Omit the size.") if "fixed" in (item.disk.get("format") or "") else ()

    def largest(self, slot, disk):
        return (self.most, "this is a toy") if slot == "vdb" or "vdi" in (disk.get("format") or "") else ()

    def bytes_of(self, item):
        if item.purpose == "grown":
            return item.more
        return GIB if (item.content or item).purpose in (IMAGE, COPIED) else 0

    def free(self, folder):
        return self.free_bytes

    def attached(self):
        return [("disks.vda", "/vms/web-vda.qcow2", ", or detach it")]


def create(image=None, disks=None, cloud_init=None, **config):
    creation = {key: value for key, value in (("image", image), ("cloud_init", cloud_init)) if value}
    return Step("create", arguments={"config": {"disks": disks or {}, **config}, "creation": creation})


def from_image(source="/images/a.qcow2", linked=False, **disk):
    return create({"source": source, "linked": linked}, {"vda": disk})


def clone(linked=False):
    arguments = {"config": {"disks": {"vda": {}}}, "creation": {"clone": {"linked": linked}}, "source": Vm("base", "b")}
    return Step("clone", arguments=arguments)


def configure(*changes):
    return Step("configure", changes=changes)


def add(**disk):
    return configure(Change("disks", None, disk, key="vdb"))


def change(field, new, **more):
    return configure(Change(field, None, new, **more))


def grow(**disk):
    return configure(Change("disks", GIB, 3 * GIB, key="vda", attribute="size")), {"disks": {"vda": disk}}


def delete(*paths, verb="delete"):
    return Step(verb, arguments={"files": paths})


def plan(*steps, config=None):
    return Plan(Vm("web", id="w", config=config or {}), Vm("web"), segments=(steps,))


def checked(*steps, files=(), released=(), space=None, config=None, **host):
    """Check a plan; ``files`` are further files of the host."""
    facts = Host(plan(*steps, config=config), {**HOST, **dict(files)}, **host)
    return check_files(facts, space or ReservedSpace(), frozenset((FILE_CLAIM, (None, one)) for one in released))


SIZED = Image("qcow2", None)
REFUSED = [
    (from_image("/none"), {}, NotFound, "image.source: /none does not exist on the host."),
    (from_image("/images"), {}, Refused, "image.source: /images is not a file."),
    (from_image("/dev/lv"), {}, Refused, "image.source: /dev/lv is not a file."),
    (from_image(), {"locked": ["/images/a.qcow2"]}, Refused, "image.source: /images/a.qcow2 is not readable."),
    (from_image("/i"), {"files": {"/i": Image()}}, Refused, "image.source: /i is not a disk image."),
    (from_image("/i"), {"files": {"/i": Image("raw", 513)}}, Refused, "image.source: /i is not a disk image."),
    (from_image("/i"), {"files": {"/i": Image("raw", 0)}}, Refused, "image.source: /i is empty (0 bytes)."),
    (from_image("/i"), {"files": {"/i": SIZED}}, Refused, "image.source: /i is a damaged qcow2 image: it has no size."),
    (from_image("/i.vdi"), {"files": {"/i.vdi": Image("vdi", GIB)}}, Refused,
     "image.source: /i.vdi has the format vdi, which Toy cannot use for this option. Convert it: qemu-img convert -f"
     " vdi -O qcow2 /i.vdi /i.qcow2"),
    (from_image("/i"), {"files": {"/i": Image("qcow2", 1, "is broken", "Repair it.")}}, Refused,
     "image.source: /i is broken. Repair it."),
    (from_image("/i", True), {"files": {"/i": Image("raw", 512)}, "linked_from": ("qcow2",)}, Refused,
     "image.source: /i has the format raw, and a disk can be linked only to qcow2."),
    (from_image(linked=True, format="raw"), {"linked_format": "qcow2"}, Refused,
     "disks.vda.format: a linked disk always has the format qcow2, not raw."),
    (from_image(size=GIB - 1), {}, Refused,
     "disks.vda.size: 1073741823B is smaller than the image /images/a.qcow2 (1G); disks are never shrunk. Set a size"
     " of at least 1G"),
    (from_image(size=2 * GIB, format="fixed"), {}, Refused,
     "disks.vda.size: 2G is larger than the image /images/a.qcow2 (1G), and this disk cannot be enlarged."),
    (clone(), {"files": {"/vms/base-vda.qcow2": ""}}, NotFound,
     "clone.source: /vms/base-vda.qcow2 does not exist on the host. Restore the file."),
    (clone(True), {"linked_from": ("raw",)}, Refused, "and a disk can be linked only to raw."),
    (add(source="/none"), {}, NotFound, "disks.vdb.source: /none does not exist on the host."),
    (add(source="/images/fd"), {}, Refused, "disks.vdb.source: /images/fd is not a file or a block device."),
    (add(source="/images/a.qcow2", format="raw"), {}, Refused,
     "disks.vdb.format: raw is set, but /images/a.qcow2 has the format qcow2."),
    (create(iso="/none"), {}, NotFound, "iso: /none does not exist on the host."),
    (change("iso", "/images/text.iso"), {}, Refused, "iso: /images/text.iso is not an ISO image."),
    (change("boot", "/images"), {}, Refused, "boot: /images is not a file."),
    (change("shared_folders", {"host_path": "/none"}, key="src"), {}, NotFound,
     "shared_folders.src.host_path: /none does not exist on the host. Create it, or use another directory."),
    (change("shared_folders", "/images/a.iso", key="src", attribute="host_path"), {}, Refused,
     "shared_folders.src.host_path: /images/a.iso is not a directory."),
    (add(size=1), {"files": {"/vms": ""}}, NotFound, "storage_path: the directory /vms does not exist on the host."),
    (add(size=1), {"files": {"/vms": FILE}}, Refused, "storage_path: /vms is not a directory."),
    (add(size=1), {"faults": {"/vms": ("is odd", "Use another.")}}, Refused, "storage_path: /vms is odd. Use another."),
    (add(size=1), {"locked": ["/vms"]}, Refused, "storage_path: /vms is not writable."),
    (add(size=1, directory="/none"), {}, NotFound, "disks.vdb.directory: the directory /none does not exist on the"),
    (add(size=1, directory="/dev/lv"), {}, Refused, "disks.vdb.directory: /dev/lv is not a directory."),
    (change("serial_log", "/none/log"), {}, NotFound, "serial_log: the directory /none does not exist on the host."),
    (add(size=1), {"files": {"/vms/web-vdb.qcow2": FILE}}, Refused,
     "disks.vdb: /vms/web-vdb.qcow2 already exists, and existing files are never overwritten. Move it to another"
     " directory, or attach it with disks[].source."),
    (create(cloud_init={"user": "a"}), {"files": {"/vms/web.iso": FILE}}, Refused,
     "cloud_init: /vms/web.iso already exists, and existing files are never overwritten. Move it to another"),
    (change("serial_log", "/images/a.iso"), {"new_remedies": {"serial_log": "Not {path}."}}, Refused,
     "already exists, and existing files are never overwritten. Not /images/a.iso."),
    (from_image(), {"free_bytes": GIB - 1}, Refused, "storage_path: 1G are needed, but /vms has only 1023M of"),
    (clone(), {"free_bytes": 0}, Refused, "storage_path: 1G are needed, but /vms has only 0B of free space."),
    (grow(source="/vms/d")[0], {"config": grow(source="/vms/d")[1], "free_bytes": GIB}, Refused,
     "disks.vda.size: 2G are needed, but /vms has only 1G of free space. Free some space there, or set a smaller size:"
     " /vms/d has a fixed size."),
    (grow(format="fixed")[0], {"config": grow(format="fixed")[1]}, Refused,
     "disks.vda.size: this disk cannot be enlarged. Omit the size."),
    (add(size=4 * GIB + 1), {}, Refused,
     "disks.vdb.size: 4294967297B is too large: this is a toy. Set a size of at most 4G."),
    (create(disks={"vda": {"size": 5 * GIB, "format": "vdi"}}), {}, Refused, "disks.vda.size: 5G is too large: this"),
    (grow(format="vdi")[0], {"config": grow(format="vdi")[1], "most": 3 * GIB - 1}, Refused,
     "disks.vda.size: 3G is too large: this is a toy. Set a size of at most 3071M."),
    (delete("/vms/base-vda.qcow2"), {"locked": ["/vms"]}, Refused,
     "/vms/base-vda.qcow2 cannot be deleted, because its directory is not writable."),
    (Step("start"), {}, NotFound,
     "disks.vda: /vms/web-vda.qcow2 does not exist, so the VM cannot start. Restore the file, or detach it."),
]  # fmt: skip


@pytest.mark.parametrize(("step", "host", "error", "text"), REFUSED, ids=[text[:60] for *_row, text in REFUSED])
def test_refusal(step, host, error, text):
    with pytest.raises(PolyvirtError) as caught:
        checked(step, **host)
    assert (type(caught.value), bool(caught.value.remedy)) == (error, True)
    assert text in str(caught.value)
    assert str(caught.value).startswith("web: ")


def test_directory_in_memory_is_a_warning_about_new_disks_only():
    (warning,) = checked(add(size=1), memory=["/vms", "/images"])
    assert warning == "web: storage_path: /vms is in memory: new disks in it are lost when the host restarts."
    log = change("serial_log", "/images/log")
    assert checked(log, memory=["/images"], faults={"/images": ("is odd", "")}) == []
    assert checked(grow(source="/vms/d")[0], config=grow(source="/vms/d")[1], memory=["/vms"]) == []


ACCEPTED = [
    (from_image(), {}),
    (from_image(size=GIB), {}),
    (from_image(size=2 * GIB), {}),
    (from_image(linked=True, format="qcow2"), {"linked_format": "qcow2", "linked_from": ("qcow2",)}),
    (from_image("/i"), {"files": {"/i": Image("raw", 512)}}),
    (from_image(), {"free_bytes": GIB}),
    (from_image(), {"free_bytes": 0, "freed": lambda: GIB}),
    (clone(), {}),
    (add(source="/dev/lv"), {}),
    (add(source="/i", format="raw"), {"files": {"/i": Image("raw", 513)}}),
    (add(size=1), {"creates_folder": lambda folder: folder == "/vms", "files": {"/vms": ""}}),
    (add(size=1), {"files": {"/vms/web-vdb.qcow2": FILE}, "leftovers": ["/vms/web-vdb.qcow2"]}),
    (add(size=1), {"files": {"/vms/web-vdb.qcow2": FILE}, "released": ["inode of /vms/web-vdb.qcow2"]}),
    (change("serial_log", "/vms/log"), {"locked": ["/vms"]}),
    (change("iso", "/images/a.iso"), {}),
    (change("iso", ""), {}),
    (change("shared_folders", {"host_path": "/images"}, key="src"), {}),
    (grow(source="/vms/d")[0], {"config": grow(source="/vms/d")[1], "free_bytes": 2 * GIB}),
    (add(size=4 * GIB), {}),
    (grow(format="vdi")[0], {"config": grow(format="vdi")[1], "most": 3 * GIB}),
    (delete("/vms/gone"), {"locked": ["/vms"]}),
    (Step("start"), {"files": {"/vms/web-vda.qcow2": FILE}}),
    (Step("stop"), {}),
]


@pytest.mark.parametrize(("step", "host"), ACCEPTED)
def test_plan_is_accepted(step, host):
    checked(step, **host)


def test_file_that_the_plan_itself_deletes_is_created_again():
    path = "/vms/web-vdb.qcow2"
    checked(delete(path), create(disks={"vdb": {"size": 1}}), files={path: FILE})


def test_first_error_is_that_of_what_the_task_names():
    """The source of the content comes before other files, these before the directory, and that before new files."""
    step = create({"source": "/none", "linked": False}, {"vda": {}, "vdb": {"source": "/also"}}, iso="/neither")
    files = {"/vms/web-vda.qcow2": FILE}
    for created, text in (("/none", "disks.vdb.source: /also"), ("/also", "iso: /neither")):
        files[created] = Image("raw", 512)
        with pytest.raises(NotFound, match=text):
            checked(step, files=files)
    step = create({"source": "/none", "linked": False}, {"vda": {}})
    with pytest.raises(Refused, match="/vms is not writable"):
        checked(step, files=files, locked=["/vms"])
    with pytest.raises(Refused, match="already exists"):
        checked(step, files=files, free_bytes=0)


def test_space_of_a_disk_that_the_plan_creates_and_enlarges_is_one_sum():
    steps = (clone(), grow()[0])
    with pytest.raises(Refused, match="storage_path: 3G are needed"):
        checked(*steps, free_bytes=2 * GIB)
    checked(*steps, free_bytes=3 * GIB)


def test_space_of_a_disk_in_another_directory_is_needed_there_only():
    """What the plan deletes before frees space in the directory of the other files."""
    step = from_image(directory="/images")
    checked(step, free=lambda folder: {"/images": GIB, "/vms": 0}[folder])
    with pytest.raises(Refused, match=r"disks.vda.directory: 1G are needed, but /images has only 1023M"):
        checked(step, free=lambda folder: {"/images": GIB - 1, "/vms": GIB}[folder], freed=lambda: GIB)


def test_space_is_shared_with_other_plans_of_the_task():
    space = ReservedSpace()
    space.reserve("other", "storage_path", "/vms", GIB, 2 * GIB, "")
    checked(from_image(), space=space, free_bytes=2 * GIB)
    space.reserve("third", "storage_path", "/vms", 0, 2 * GIB, "")
    with pytest.raises(Refused, match="left by other disks of this task"):
        space.reserve("fourth", "storage_path", "/vms", 1, 2 * GIB, "")


@pytest.mark.parametrize("iso_of_clone", [True, False])
def test_iso_of_a_clone_is_needed_only_if_it_is_inserted(iso_of_clone):
    step = Step("clone", arguments={**clone().arguments, "config": {"iso": "/none", "disks": {}}})
    facts = Host(plan(step), HOST, iso_of_clone=iso_of_clone)
    (one,) = planned(facts.plan)
    assert ("iso" in [item.option for item in needed_files(one, facts)]) == iso_of_clone


def test_new_file_knows_its_content():
    facts = Host(plan(from_image(linked=True)), HOST)
    (one,) = planned(facts.plan)
    image, new = needed_files(one, facts)
    assert (image.purpose, image.slot, image.linked) == (IMAGE, "vda", True)
    assert (new.purpose, new.option, new.content) == (NEW, "disks.vda", image)


def test_first_disk_of_the_task_gets_the_image_if_the_platform_has_no_fixed_slot():
    step = create({"source": "/images/a.qcow2"}, {"vdc": {}, "vdb": {"size": GIB - 1}})
    with pytest.raises(Refused, match=r"disks\.vdb\.size"):
        checked(step, first=None)


def test_image_that_is_no_file_is_not_checked():
    checked(from_image("Ubuntu-24.04"), normalized=lambda option, path: "")


def test_attached_disk_keeps_its_own_purpose():
    facts = Host(plan(add(source="/dev/lv")), HOST)
    (one,) = planned(facts.plan)
    assert [(item.purpose, item.option) for item in needed_files(one, facts)] == [(DISK, "disks.vdb.source")]
