# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: its answers to requests of ``vmctl``, and ``vmd -n``."""

from __future__ import annotations

from . import vmconf
from .guests import Guests, Refused
from .options import NotRecorded
from .registration import Registry

DEFAULT_FILE = "/etc/vm.conf"
_BITS = (("running", "RUNNING"), ("stopping", "SHUTDOWN"), ("paused", "PAUSED"))
#: The error number of all failures: any except 0. The name of an error determines its text.
_FAILED = 1
_PARALLEL = 4
_PAGE = 4096


def _resident(memory):
    """The memory that a guest has touched: whole pages, so vmctl rounds it to a text such as 1.3G or 21.3M."""
    return memory // 3 // _PAGE * _PAGE


def check(world, words):
    """``vmd -n``, with ``-f FILE``: check a file."""
    if words[:1] != ["-n"] or (words[1:] and (len(words) != 3 or words[1] != "-f")):
        raise NotRecorded(f"vmd {' '.join(words)}")
    path = words[2] if words[1:] else DEFAULT_FILE
    release = world.state.look()["release"]
    limit = vmconf.LARGEST_MEMORY.get(release, vmconf.DEFAULT_LARGEST_MEMORY)
    try:
        verdict = vmconf.read(path, world.host, None, limit, release)
    except FileNotFoundError as reason:
        # There is no warning if the default file is missing.
        warning = f"vmd: failed to open {path}: {reason.strerror}\n" if words[1:] else ""
        return 0, "", f"{warning}configuration OK\n"
    except OSError as reason:
        return 1, "", f"vmd: failed to open {path}: {reason.strerror}\n"
    return int(not verdict.is_good), "", vmconf.report(verdict)


class Vmd:
    """The daemon's operations on an open state."""

    def __init__(self, state, host):
        self.state, self.host, self.guests = state, host, Guests(state, host)
        self.daemon = state["vmd"]

    def find(self, message, prefix="vid_"):
        """The VM that a request names by id or name, or None."""
        number, name = message[f"{prefix}id"], message[f"{prefix}name"]
        found = (vm for vm in self.state["vms"] if (vm["id"] == number if number else vm["name"] == name))
        return next(found, None)

    def may(self, vm):
        """Whether the caller may control the VM: root, its owner, or a member of its group."""
        return self.host.uid in (0, vm["owner"][0]) or self._is_member(vm["owner"][1])

    def _is_member(self, gid):
        """Whether this is the caller's primary group."""
        return gid != -1 and any(ids == (self.host.uid, gid) for ids in self.host.users.values())

    # Lists ------------------------------------------------------------------------------------------------------------

    def info(self):
        """The rows of all VMs: the running ones (last started first), then the others in the order of definition."""
        running = sorted(self.guests.running(), key=lambda vm: -vm["started_at"])
        others = [vm for vm in self.state["vms"] if not vm.get("running")]
        return [self._row(vm) for vm in running + others if self._is_seen(vm)]

    def _is_seen(self, vm):
        """Whether the list contains a VM: it does not for ``status_gap`` seconds after the VM started or ended."""
        since = vm.get("started_at") if vm.get("running") else vm.get("ended_at")
        return since is None or self.state["now"] - since >= self.state["status_gap"]

    def _row(self, vm):
        is_running = bool(vm.get("running"))
        bits = [bit for key, bit in _BITS if vm.get(key)]
        bits += [name for name, word in (("WAITING", "waiting"), ("DISABLED", "disabled")) if vm["state"] == word]
        return {
            "type": "IMSG_VMDOP_GET_INFO_VM_DATA",
            "id": vm["id"],
            "name": vm["name"],
            "creator_pid": vm["pid"] if is_running else 0,
            "memory_size": vm["memory"],
            "used_size": _resident(vm["memory"]) if is_running else 0,
            "ncpus": 1,
            "ttyname": vm["tty"] if is_running else "",
            "uid": vm.get("run_uid", vm["owner"][0]) if is_running else vm["owner"][0],
            "gid": vm["owner"][1],
            "state": bits,
        }

    # Start ------------------------------------------------------------------------------------------------------------

    def start(self, message):
        try:
            vm = self._startable(message)
            self.guests.start(vm, "command line" if message["kernel_fd_passed"] else "")
        except Refused as reason:
            self.state["vms"] = [vm for vm in self.state["vms"] if vm.get("from_config") or vm.get("running")]
            return {"vmr_result": {"name": str(reason), "number": _FAILED}}
        vm["run_uid"] = self.host.uid
        if message["bootdevice"] != "auto":
            vm["boot_device"] = message["bootdevice"]
        return {"vmr_id": vm["id"], "vmr_pid": vm["pid"], "vmr_ttyname": vm["tty"]}

    def _startable(self, message):
        vm = self.find(message, "")
        if vm is None:
            return self._new(message)
        if not self.may(vm):
            raise Refused("EPERM")
        if vm.get("running") or set(message["vmc_flags"]) - {"KERNEL"}:
            raise Refused("EALREADY")
        return vm

    def _new(self, message):
        """Register a VM that is not in vm.conf, from the options of ``vmctl start``."""
        if not message["vmc_flags"]:
            raise Refused("EPERM" if self.host.uid else "VMD_DISK_MISSING")
        if self.host.uid and "INSTANCE" not in message["vmc_flags"]:
            raise Refused("EPERM")
        block = vmconf.Block(message["name"], message["instance"], has_devices=True)
        block.memory, block.cdrom = message["memory"], message["cdrom"]
        block.disks = [[path, kind] for kind, path in message["disks"]]
        block.owner = (self.host.uid, -1)
        for nic in message["nics"]:
            block.nics.append({"local": "LOCAL" in nic["flags"], "up": True, "locked": False, "lladdr": ""})
            block.nics[-1].update({"switch": nic["switch"]} if nic["switch"] else {})
        registry = self.registry()
        if message["instance"] and registry.find(message["instance"]) is None:
            raise Refused("VMD_PARENT_INVALID")
        if registry.add_vm(block, None, self.guests.log, is_diskless=message["kernel_fd_passed"]):
            raise Refused("EPERM" if message["instance"] else "EINVAL")
        self.state["vms"][-1]["state"] = ""
        return self.state["vms"][-1]

    # Stop and pause ---------------------------------------------------------------------------------------------------

    def refusal(self, vm, by_force):
        """The name of the error if the VM cannot be stopped, else an empty text."""
        if vm is None:
            return "ENOENT"
        if vm.get("stopping") and not by_force:
            return "EALREADY"
        if not vm.get("running"):
            return "EINVAL"
        return "" if self.may(vm) else "EPERM"

    def pause(self, message, is_paused):
        """(the answer, whether it never arrives)."""
        vm = self.find(message)
        name = "ENOENT" if vm is None else "EPERM"
        if vm is None or not self.may(vm):
            return {"short_int": {"name": name, "number": _FAILED}}, False
        if not vm.get("running"):
            # vmd sets the bit although the VM does not run.
            vm["paused"] = is_paused
            return {"vmr_result": {"name": "ENOENT", "number": _FAILED}}, False
        vm["paused"] = is_paused
        return {"vmr_id": vm["id"]}, self.state["pause_hangs"]

    # Configuration ----------------------------------------------------------------------------------------------------

    def registry(self):
        return Registry(
            self.state["vms"], self.state["switches"], self.daemon["settings"], self._claim_id, self._new_address
        )

    def _claim_id(self, name, uid):
        """The id for a name and owner; it stays the same until vmd is restarted."""
        key = f"{uid}:{name}"
        if key not in self.daemon["known"]:
            self.daemon["next_id"] += 1
            self.daemon["known"][key] = self.daemon["next_id"]
        return self.daemon["known"][key]

    def _new_address(self, index):
        """A new MAC address; vmd chooses one each time that it reads a definition."""
        self.state["addresses"] += 1
        number = self.state["addresses"] * 40503 % 65536
        return f"fe:e1:bb:d{index + 1}:{number >> 8:02x}:{number & 255:02x}"

    def reload(self):
        """Forget all VMs that do not run, read vm.conf and start enabled VMs; returns False if that fails."""
        self.state["vms"][:] = self.guests.running()
        return self.load(DEFAULT_FILE)

    def load(self, path):
        switches, registry = len(self.state["switches"]), self.registry()
        self.daemon["settings"].pop("agentx", None)
        limit = vmconf.LARGEST_MEMORY.get(self.state["release"], vmconf.DEFAULT_LARGEST_MEMORY)
        try:
            verdict = vmconf.read(path, self.host, registry, limit, self.state["release"])
        except FileNotFoundError:
            return True
        except OSError:
            return False
        self.daemon["log"] += verdict.messages
        self._keep_first_switches()
        for vm in self.state["vms"]:
            if vm["name"] in registry.names:
                vm["from_config"] = True
        if not verdict.is_good:
            return False
        if any(switch["interface"] not in self.state["interfaces"] for switch in self.state["switches"][switches:]):
            self.die("a switch has no interface")
            return False
        self.start_waiting()
        return True

    def _keep_first_switches(self):
        names = {}
        for switch in self.state["switches"]:
            names.setdefault(switch["name"], switch)
        self.state["switches"][:] = names.values()

    def start_waiting(self):
        """Start enabled VMs: all at once, or in groups with a delay if vm.conf contains ``staggered start``."""
        staggered = self.daemon["settings"].get("staggered")
        parallel, delay = (staggered["parallel"] or _PARALLEL, staggered["delay"]) if staggered else (0, 0)
        waiting = [vm for vm in self.state["vms"] if vm["state"] == "waiting" and not vm.get("running")]
        for position, vm in enumerate(waiting):
            vm["starts_at"] = self.state["now"] + (position // parallel * delay if parallel else 0)
        self.guests.advance(self.state["now"])

    def reset(self, mode):
        if mode in ("ALL", "VMS"):
            for vm in self.guests.running():
                self.guests.end(vm)
            self.state["vms"].clear()
            self.daemon.update(known={}, next_id=0)
        if mode in ("ALL", "SWITCHES"):
            self.state["switches"].clear()
        if mode == "ALL":
            self.daemon["settings"].clear()

    # The daemon -------------------------------------------------------------------------------------------------------

    def boot(self):
        """Start the daemon; returns False if it cannot run on this host."""
        if self.state["cpu"] == "none":
            self.guests.log("fatal in vmd: /dev/vmm: Operation not supported by device")
            return False
        self.daemon.update(running=True, socket=True, known={}, next_id=0, settings={})
        self.state["vms"].clear()
        self.state["switches"].clear()
        return self.load(DEFAULT_FILE) or self.halt()

    def halt(self):
        """End the daemon and all VMs, without shutting down the guests; returns False."""
        for vm in self.guests.running():
            self.guests.end(vm)
        self.state["vms"].clear()
        self.daemon["running"] = False
        return False

    def die(self, reason):
        self.guests.log(f"fatal in vmd: {reason}")
        self.halt()
