# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a host of libvirt: packages, daemons, users, KVM, networks. Changes nothing."""

from __future__ import annotations

from dataclasses import replace

from ..._core.errors import CommandFailed, PolyvirtError, Timeout, Unavailable, Unsupported
from ..._ports import files, host
from ..._tools import kvm_nesting, kvm_probe, libvirt_daemons, libvirt_firewall, linux_packages, virsh_output
from ..._tools.virsh import raise_for_errors
from . import host_record
from .host_plan import LibvirtHost

GROUP = "libvirt"
FORWARDING = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
IMAGES = "/var/lib/libvirt/images"
_FOLDERS = ("/etc/libvirt", "/var/cache/libvirt", "/var/lib/libvirt", "/var/log/libvirt", libvirt_daemons.RUN_FOLDER)
_INTERFACES = "/sys/class/net"
_LISTS = (("list", "--all", "--name"), ("net-list", "--all", "--name"), ("pool-list", "--all", "--name"))
#: Bridges that libvirt names itself.
_OF_LIBVIRT = "virbr"


def holds_disks(folder):
    """Whether the directory for disks of VMs is in ``folder`` and contains files, which are never deleted."""
    return IMAGES.startswith(f"{folder}/") and files.holds_files(IMAGES)


def _is_alone(folder):
    """Whether ``folder`` contains nothing but the directory for disks."""
    return [f"{folder}/{name}" for name in files.entries(folder)] == [IMAGES]


class Reader:
    """``virsh`` is the connection to the system's libvirt, which may not be installed yet."""

    def __init__(self, commands, virsh):
        self._commands, self._virsh = commands, virsh
        self._manager = None
        #: Why KVM does not work; None until QEMU is installed. A VM that hangs takes seconds, so it is tried once.
        self._kvm = None

    @property
    def manager(self):
        """The package manager of the host. Raises Unsupported."""
        if self._manager is None:
            self._manager = next(filter(self._has_all, linux_packages.MANAGERS), None)
        if self._manager is None:
            raise Unsupported(
                "This host has none of the package managers apt, dnf and pacman.",
                "Install libvirt and QEMU by hand, as the documentation of libvirt describes.",
            )
        return self._manager

    @property
    def has_systemd(self):
        return files.exists(libvirt_daemons.SYSTEMD)

    def read(self, requested):
        """Return the LibvirtHost, with what the state of the task needs."""
        if not host.is_root():
            raise Unavailable("Only root can prepare a host.", "not_responding", "Use become: true.")
        manager = self.manager
        listing = self.run(manager.listing)
        found = LibvirtHost(
            manager=manager.name,
            installed=linux_packages.installed(manager, listing),
            provided=linux_packages.provided(manager, listing),
            package_files=self.package_files(requested["package_folder"]),
            required=(*self._packages(manager), *requested["packages"]),
            record=self.record() if requested["state"] == "present" else self.whole_record(),
            units=self._units(manager.units) if self.has_systemd else {},
            members=frozenset(host.members(GROUP)),
            unknown_users=tuple(user for user in requested["users"] if not files.is_user(user)),
            nested=self._nested(),
            nested_stored=kvm_nesting.parse(files.read_latin1(kvm_nesting.PATH)),
            has_kvm=files.exists(kvm_probe.DEVICE),
            forwarding=self.forwarding(),
            folders=self.folders(),
            **self._libvirt(),
        )
        if requested["state"] == "absent":
            return replace(found, **self._use(found))
        if self._kvm is None and found.has_kvm:
            self._kvm = self._kvm_problem()
        return replace(found, kvm=self._kvm)

    def package_files(self, folder):
        """Return the paths of the package files in a directory; None if none is requested."""
        if folder is None:
            return None
        return tuple(f"{folder}/{name}" for name in files.entries(folder) if name.endswith(self.manager.suffixes))

    def installed(self):
        """Return the names of all installed packages."""
        return linux_packages.installed(self.manager, self.run(self.manager.listing))

    def record(self):
        """Return what was recorded, or None."""
        return host_record.parse(files.read(host_record.PATH) if files.exists(host_record.PATH) else None)

    def forwarding(self):
        return tuple(files.read(path).decode().strip() for path in FORWARDING if files.exists(path))

    def folders(self):
        """Return the directories of libvirt, but none that contains only disks of VMs."""
        return tuple(
            folder for folder in _FOLDERS if files.exists(folder) and not (holds_disks(folder) and _is_alone(folder))
        )

    @staticmethod
    def missing_folders():
        return tuple(folder for folder in _FOLDERS if not files.exists(folder))

    def run(self, argv, **options):
        """Return what a command prints; ``options`` as for Commands.run. Raises Unavailable and CommandFailed."""
        answer = self._answer(argv, **options)
        if answer.rc != 0:
            said = answer.stderr.strip() or answer.stdout.strip()
            raise CommandFailed(answer.argv, answer.rc, said)
        return answer.stdout

    def _answer(self, argv, **options):
        return self._commands.run([self._commands.find(argv[0]), *argv[1:]], **options)

    def names(self, *commands):
        """Return the names that each of these commands of virsh lists. Raises CommandFailed."""
        answers = self._virsh.batch(commands)
        raise_for_errors(commands, answers)
        return [tuple(virsh_output.names(answer.stdout)) for answer in answers]

    def answers(self):
        """Return whether the daemon of libvirt answers."""
        try:
            self._virsh.run("uri")
        except PolyvirtError:
            return False
        return True

    def firewall_removal(self):
        """Return the commands that remove the rules of libvirt."""
        removal = []
        for (program, table), argv in libvirt_firewall.listing_argvs().items():
            if self._has(program):
                rules = self._answer(argv)
                # A kernel without IPv6 has no such table.
                removal += libvirt_firewall.removal(program, table, rules.stdout if rules.rc == 0 else "")
        return removal

    @staticmethod
    def _packages(manager):
        architecture = host.architecture()
        if architecture not in manager.packages:
            raise Unsupported(
                f"The packages of libvirt for {architecture} with {manager.name} are not known.",
                "Install libvirt and QEMU by hand, as the documentation of libvirt describes.",
            )
        return manager.packages[architecture]

    def _has_all(self, manager):
        return all(map(self._has, manager.programs))

    def _has(self, program):
        try:
            self._commands.find(program)
        except Unavailable:
            return False
        return True

    def _units(self, units):
        found = libvirt_daemons.states(self.run(libvirt_daemons.states_argv(units)))
        return {unit: found.get(unit, False) for unit in units}

    def _libvirt(self):
        """Return whether libvirt answers, and then the names of its VMs, networks and pools."""
        if not self._has("virsh") or not self.answers():
            return {"answers": False}
        vms, networks, pools = self.names(*_LISTS)
        return {"answers": True, "vms": vms, "networks": networks, "pools": pools}

    def _use(self, found):
        """Return what only a removal has to know."""
        bridges = [name for name in files.entries(_INTERFACES) if files.exists(f"{_INTERFACES}/{name}/bridge")]
        packages = sorted(set(found.record.packages) & found.installed) if found.record else []
        return {
            "kept": (IMAGES,) if found.record and files.holds_files(IMAGES) else (),
            "rules": bool(self.firewall_removal()),
            "bridges": tuple(name for name in bridges if not name.startswith(_OF_LIBVIRT)),
            "active_networks": self.names(("net-list", "--name"))[0] if found.answers else (),
            "blocked": self._blocked(packages) if packages else "",
        }

    def whole_record(self):
        """Return the record with the packages that an interrupted installation has added; None without a record."""
        record = self.record()
        return self.completed(record) if record is not None and record.packages_before else record

    def completed(self, record):
        """Return a record with the packages that its installation has added, and that can be removed again."""
        record = record.after_installation(self.installed())
        return replace(record, packages=self.removable(record.packages))

    def removable(self, packages):
        """Return those of newly installed packages that the package manager would remove again.

        Debian protects some, such as the init system of a container that had none, and what these depend on.
        """
        names = set(packages)
        while refused := linux_packages.refused(self._blocked(sorted(names))) & names:
            names -= refused
        return tuple(sorted(names))

    def _blocked(self, packages):
        """Return why packages cannot be removed; empty if they can."""
        answer = self._answer([*self.manager.tests_removal, *packages])
        return "" if answer.rc == 0 else answer.stderr.strip()

    @staticmethod
    def _nested():
        path = next(filter(files.exists, kvm_nesting.PARAMETERS), None)
        return None if path is None else files.read(path).decode().strip() in kvm_nesting.ENABLED

    def _kvm_problem(self):
        """Return why KVM does not work, "" if it does, None if this is not known."""
        emulator = next(filter(self._has, kvm_probe.EMULATORS), None)
        if emulator is None or host.architecture() != "amd64":
            return None
        with files.private_folder() as folder:
            sector = f"{folder}/sector"
            files.write_atomically(sector, kvm_probe.SECTOR)
            argv = kvm_probe.argv(self._commands.find(emulator), sector)
            try:
                answer = self._commands.run(argv, timeout=kvm_probe.SECONDS)
            except Timeout:
                return f"a VM did not execute its first instructions within {kvm_probe.SECONDS} seconds."
        if answer.rc == kvm_probe.EXIT_CODE:
            return ""
        return answer.stderr.strip().replace("\n", "; ") or f"QEMU ended with exit code {answer.rc}."
