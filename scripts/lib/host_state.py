# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List everything that a test run could leave behind on a host with libvirt and VirtualBox, one object per line.

The list must be the same before and after a run. Worlds of other checkouts may run at the same time: their processes
are in other PID namespaces. The processes of a world end with it, so only the worlds of this checkout are listed.
Usage: python host_state.py            print the list
       python host_state.py BEFORE     print what is not in the file BEFORE; exit with 1 if there is anything
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

_IMAGES = Path(os.environ.get("POLYVIRT_TEST_IMAGES", "/var/lib/libvirt/images"))
#: Where libvirt stores data of VMs: saved memory, snapshots, NVRAM, dumps, channels, TPM state.
_STATE = [Path("/var/lib/libvirt/qemu") / name for name in ("save", "snapshot", "nvram", "dump", "channel/target")]
_STATE.append(Path("/var/lib/libvirt/swtpm"))
_LEASES = Path("/var/lib/libvirt/dnsmasq")
_PROGRAMS = ("qemu-system", "swtpm", "virtiofsd", "dnsmasq", "qemu-img", "qemu-nbd", "VBox")
#: An interpreter may precede the program's name: in the tests, VBoxHeadless is a script.
_INTERPRETER = "python"
_WORLD = str(Path(__file__).resolve().parents[2] / "tests" / "suite" / "world")
#: What the tests keep for their next run: the small guest, and images with a note about their origin.
_KEPT_FOLDER, _NOTE = "polyvirt-tests", ".polyvirt.json"


def host_state():
    """Return the sorted lines."""
    return sorted({*_files(), *_leases(), *_listed(), *_processes()})


def _files():
    for top in (_IMAGES, *_STATE):
        for folder, below, names in os.walk(top):
            # An image that is being built has the host's own /proc in it.
            below[:] = [name for name in below if not os.path.ismount(os.path.join(folder, name))]
            yield from (f"file {path}" for path in (Path(folder, name) for name in names) if not _is_kept(path))


def _is_kept(path):
    return _KEPT_FOLDER in path.parts or path.name.endswith(_NOTE) or Path(f"{path}{_NOTE}").exists()


def _leases():
    for path in _LEASES.glob("*.status"):
        text = path.read_text(encoding="utf-8").strip()
        for lease in json.loads(text) if text else ():
            yield f"lease {path.stem} {lease['mac-address']} {lease['ip-address']}"


def _listed():
    # The tests run their own daemons, so those of the host may not run; then there is nothing to list.
    if _virsh("uri").returncode:
        return
    for kind, arguments in (("network", ("net-list",)), ("machine", ("list",)), ("pool", ("pool-list",))):
        done = _virsh(*arguments, "--all", "--name")
        done.check_returncode()
        yield from (f"{kind} {name}" for name in done.stdout.split("\n") if name)


def _virsh(*arguments):
    command = ["virsh", "-q", "-c", "qemu:///system", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _processes():
    namespace = os.readlink("/proc/self/ns/pid")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            is_here = os.readlink(folder / "ns" / "pid") == namespace
        except OSError:
            continue  # It has ended in the meantime.
        # Ansible's persistent SSH connections are not listed: they end a minute after their last use.
        if is_here and (_WORLD in arguments or _program(arguments).startswith(_PROGRAMS)):
            yield f"process {_number(folder, arguments)}{' '.join(arguments)[:200]}"


def _number(folder, arguments):
    # A network that was started again has another process, with the same arguments.
    return "" if _program(arguments) == "dnsmasq" else f"{folder.name} "


def _program(arguments):
    names = [Path(word).name for word in arguments[:2]]
    return names[-1] if names[0].startswith(_INTERPRETER) else names[0]


def left_behind(before):
    """Return the lines that are there now and were not there ``before``."""
    return [line for line in host_state() if line not in set(before)]


def main(arguments):
    if not arguments:
        print("\n".join(host_state()))
        return 0
    left = left_behind(Path(arguments[0]).read_text(encoding="utf-8").split("\n"))
    for line in left:
        print(f"left behind: {line}", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
