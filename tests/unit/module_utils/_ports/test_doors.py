# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doors: what a step destroys must be in its plan. At each one a thing of somebody else is refused, and untouched.

A door is a function of a port, or a command of a tool, that can destroy something.
"""

from __future__ import annotations

import ast
import io
import os
import subprocess
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import Permit
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files, partial_files, permits
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed
from ansible_collections.polyvirt.core.plugins.module_utils._ports.proxmox_api import Answer
from ansible_collections.polyvirt.core.plugins.module_utils._tools import virsh
from ansible_collections.polyvirt.core.plugins.module_utils._tools.proxmox import Proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh_backup import thaw

ID, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
DOORS = {
    "remove": lambda path, new: files.remove(path),
    "remove_whole": lambda path, new: files.remove_whole(path),
    "replace_file": lambda path, new: files.replace_file(new, path),
    "rename_into_place": lambda path, new: files.rename_into_place(new, path),
    "write_atomically": lambda path, new: files.write_atomically(path, b"other"),
    "write_packed": lambda path, new: partial_files.write_packed(path, new, 0, 1),
    "truncate": lambda path, new: partial_files.truncate(path),
    "overwrite": lambda path, new: partial_files.overwrite(path, 0, b"other"),
    "copy": lambda path, new: partial_files.copy(new, path),
    "write_sparse": lambda path, new: partial_files.write_sparse(path, io.BytesIO(b"x")),
    "write_blocks": lambda path, new: partial_files.write_blocks(path, [b"other"]),
}
#: Functions that replace a file of the user, or let it grow, and keep its content.
EDITS = {"replace_content", "grow", "new_file"}
COMMANDS = [
    ("undefine", OTHER),
    ("managedsave-remove", OTHER),
    ("snapshot-revert", OTHER, "--snapshotname", "s"),
    ("snapshot-delete", OTHER, "--snapshotname", "s"),
    ("snapshot-delete", ID, "--snapshotname", "t"),
    ("checkpoint-delete", OTHER, "--checkpointname", "s"),
    ("vol-delete", "/x"),
    ("net-undefine", "n"),
    ("pool-undefine", "p"),
    ("pool-delete", "p"),
    ("vol-wipe", "/x"),
    ("migrate", OTHER),
]
PERMIT = Permit((), frozenset({("memory", ID), ("state", ID), ("snapshot", ID, "s"), ("net", "m")}))
VM, IMAGE = "/nodes/pve1/qemu/100", "local:import/x.qcow2"
#: {words of the call: what a plan must list, or nothing if no plan can}, of Proxmox VE.
CALLS = {
    ("DELETE", VM): ("vm", "100"),
    ("DELETE", f"{VM}/snapshot/s"): ("snapshot", "100", "s"),
    ("POST", f"{VM}/snapshot/s/rollback"): ("state", "100"),
    ("POST", "/nodes/pve1/qemu", ("vmid", 100), ("archive", "x"), ("force", 1)): ("state", "100"),
    ("PUT", f"{VM}/config", ("delete", "vmstate")): ("memory", "100"),
    ("PUT", f"{VM}/config", ("delete", "scsi1,unused0")): ("volumes", "100"),
    ("POST", f"{VM}/config", ("delete", "tpmstate0"), ("force", 1)): ("volumes", "100"),
    ("DELETE", f"/nodes/pve1/storage/local/content/{IMAGE}"): IMAGE,
    ("DELETE", "/pools/prod"): None,
    ("DELETE", f"{VM}/firewall/rules/0"): None,
    ("PUT", f"{VM}/unlink"): None,
    ("POST", "/nodes/pve1/status"): None,
}
PRODUCT = Path(files.__file__).parents[1]


class Nothing:
    """A port that counts its calls."""

    calls = 0

    def find(self, *_names):
        return "/bin/x"

    def call(self, *_words):
        self.calls += 1
        return Answer(200, "OK", None)

    def run(self, argv, **_options):
        self.calls += 1
        return Completed(tuple(argv), 0, "", "")


@pytest.fixture(name="sentinel")
def _sentinel(tmp_path):
    """A file that other programs have created, and one that this process has created."""
    path, new = tmp_path / "sentinel", tmp_path / "new"
    path.write_bytes(b"sentinel")
    new.write_bytes(b"x")
    yield path, str(new)
    assert path.read_bytes() == b"sentinel"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("known", ["nothing", "other path", "other inode", "other name beside it"])
def test_file_that_is_in_no_plan(sentinel, door, known):
    path, new = sentinel
    permit = {
        "nothing": Permit(),
        "other path": Permit([(new, files.identity(new))]),
        "other inode": Permit([(str(path), (0, 0))]),
        "other name beside it": Permit(locked=[str(path)[:-1]]),
    }[known]
    with permits.granted(permit), pytest.raises(Refused):
        DOORS[door](str(path), new)


@pytest.mark.parametrize("door", ["remove", "remove_whole", "replace_file", "write_atomically"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("new")], ids=["a named pipe", "a link"])
def test_only_regular_files_are_removed(sentinel, tmp_path, request, door, make):
    path, new = tmp_path / "special", sentinel[1]
    make(path)
    with permits.granted(permits.ANYTHING), pytest.raises(Refused, match=f"special is {request.node.callspec.id[:6]}"):
        DOORS[door](str(path), new)
    assert path.lstat()


@pytest.mark.parametrize("door", DOORS)
def test_without_a_grant_nothing_is_destroyed(sentinel, door):
    """In another thread, the grant of this one does not count."""
    path, new = sentinel
    refused = []

    def call():
        with pytest.raises(Refused):
            DOORS[door](str(path), new)
        refused.append(door)

    with permits.granted(permits.ANYTHING):
        thread = Thread(target=call)
        thread.start()
        thread.join()
    assert refused == [door]


@pytest.mark.parametrize("door", sorted(DOORS.keys() - {"rename_into_place"}))
@pytest.mark.parametrize("known", ["planned", "planned before it existed", "created", "locked"])
def test_file_that_is_known(tmp_path, door, known):
    path, new = tmp_path / "disk", tmp_path / "new"
    path.write_bytes(b"disk")
    new.write_bytes(b"x")
    permit = {
        "planned": Permit([(str(path), files.identity(path))]),
        "planned before it existed": Permit([(str(path), None)]),
        "created": Permit(),
        "locked": Permit(locked=[str(tmp_path / "disk")]),
    }[known]
    if known == "created":
        permits.created(str(path), files.identity(path))
    with permits.granted(permit):
        DOORS[door](str(path), str(new))
    assert not path.exists() or path.read_bytes() != b"disk"


def test_permission_ends_with_the_step(sentinel):
    path, _new = sentinel
    with permits.granted(permits.ANYTHING):
        pass
    with pytest.raises(Refused, match="which the plan of the task does not list"):
        files.remove(str(path))


def test_path_below_a_link_is_the_file_itself(tmp_path, sentinel):
    new = sentinel[1]
    (tmp_path / "folder").symlink_to(tmp_path)
    with permits.granted(Permit([(new, files.identity(new))])):
        with pytest.raises(Refused):
            files.remove(str(tmp_path / "folder" / "sentinel"))
        assert files.remove(str(tmp_path / "folder" / "new"))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("call", ["run", "batch"])
def test_command_that_is_in_no_plan(words, call):
    port = Nothing()
    tool = virsh.Virsh(port, "virsh", "test:///default")
    with permits.granted(PERMIT), pytest.raises(Refused, match="does not list"):
        tool.run(*words) if call == "run" else tool.batch([("list",), words])
    assert port.calls == 0


@pytest.mark.parametrize(
    "words",
    [
        ("managedsave-remove", ID),
        ("snapshot-revert", ID, "--snapshotname", "s"),
        ("snapshot-delete", ID, "--snapshotname", "s"),
        ("net-undefine", "m"),
        ("define", "/dev/stdin"),
    ],
    ids=" ".join,
)
def test_command_of_a_plan(words):
    port = Nothing()
    with permits.granted(PERMIT):
        virsh.Virsh(port, "virsh", "test:///default").run(*words)
    assert port.calls == 1


@pytest.mark.parametrize("thing", [("memory", ID), ("snapshot", ID, "any"), ("state", ID), ("vm", ID)])
def test_whole_vm_has_all_that_is_in_it(thing):
    with permits.granted(Permit(things=frozenset({("vm", ID)}))):
        permits.check_thing(*thing)
        with pytest.raises(Refused):
            permits.check_thing(thing[0], OTHER, *thing[2:])


def test_commands_in_one_process_have_the_door(monkeypatch):
    monkeypatch.setattr(virsh, "_CHANGES", frozenset())
    with pytest.raises(Refused, match="domfsthaw"):
        thaw(virsh.Virsh(Nothing(), "virsh", "test:///default"), ID)


@pytest.mark.parametrize("words", CALLS, ids=lambda words: " ".join(map(str, words)))
def test_call_of_proxmox(words):
    """It is made only if the plan lists what it destroys, and then with any identity that the plan has read."""
    (method, path, *given), listed, port = words, CALLS[words], Nothing()
    tool = Proxmox(port, None)
    call = {"DELETE": tool.run, "PUT": tool.put, "POST": tool.post}[method]
    call = partial(call, *([method] if method == "DELETE" else []), path, **dict(given))
    others = Permit([("local:import/y.qcow2", "local:y.qcow2")], frozenset({("vm", "101"), ("snapshot", "100", "t")}))
    with permits.granted(others), pytest.raises(Refused, match="does not list"):
        call()
    assert port.calls == 0
    permit = Permit([(listed, "local:x.qcow2")]) if listed == IMAGE else Permit(things=frozenset({listed}))
    if listed is not None:
        with permits.granted(permit):
            call()
        assert port.calls == 1


def test_call_of_proxmox_that_destroys_nothing():
    port = Nothing()
    Proxmox(port, None).get(VM)
    Proxmox(port, None).put(f"{VM}/config", delete="scsi1", memory=1)
    Proxmox(port, None).post("/nodes/pve1/qemu", vmid=100, archive="x")
    assert port.calls == 3


# Nothing outside -----------------------------------------------------------------------------------------------------


def test_every_writer_of_the_ports_is_a_door():
    """A function of the ports that a driver calls, and that writes to a file of a given name."""
    calls = {"unlink", "rmtree", "replace", "truncate", "copyfile", "new_file", "_remove", "_remove_whole", "_replace"}
    found = set()
    for module in (files, partial_files):
        for function in ast.parse(Path(module.__file__).read_text()).body:
            if isinstance(function, ast.FunctionDef) and not function.name.startswith("_"):
                names = {_name(node) for node in ast.walk(function) if isinstance(node, ast.Call)}
                found |= {function.name} if names & calls else set()
    assert found - EDITS - {"partial", "reserved"} <= DOORS.keys()  # These remove incomplete files of this process.


def _name(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_only_ports_have_primitives():
    """Elsewhere in what runs on a managed host, nothing unlinks, renames, truncates or opens for writing."""
    names = {"unlink", "remove", "rmtree", "replace", "rename", "truncate", "rmdir", "removedirs", "move"}
    found = []
    for file in sorted(PRODUCT.rglob("*.py")):
        if file.parent.name == "_ports":
            continue
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            of = getattr(getattr(call.func, "value", None), "id", "")
            modes = [one.value for one in call.args[1:2] if isinstance(one, ast.Constant)]
            is_writing = getattr(call.func, "id", "") == "open" and set(str(modes or "r")) & set("wax+")
            if is_writing or (of in ("os", "shutil") and call.func.attr in names):
                found.append(f"{file.name}:{call.lineno}")
    assert found == []


def test_every_command_of_virsh_is_in_a_table():
    """Words with a hyphen, which mean nothing else; virsh itself says which ones are commands."""
    printed = subprocess.run(["virsh", "help"], capture_output=True, text=True, check=True).stdout
    commands = {line.split()[0] for line in printed.splitlines() if line.startswith("    ")}
    known = virsh._READS | virsh._CHANGES | virsh._DESTROYS.keys()
    places = [*PRODUCT.glob("_tools/virsh*.py")]
    places += [file for folder in ("virsh", "vagrant") for file in (PRODUCT / "_drivers" / folder).rglob("*.py")]
    places += (PRODUCT / "_hosts" / "libvirt").rglob("*.py")
    used = {
        node.value
        for file in places
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and node.value in commands and "-" in node.value
    }
    assert used - known == {"inject-nmi"}  # The action of a watchdog.
    assert len(used) > 40
    assert not known - commands
