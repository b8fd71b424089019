# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of VMs of another architecture."""

from __future__ import annotations

from mutations.mutation import Mutation

_ROOM = "_drivers/virsh/settings/architecture.py"
_CATALOGUE = "plugins/plugin_utils/installs/catalogue.py"
_LOOKUP = ["tests/unit/lookup/test_architectures.py"]
_PROXMOX = "_drivers/proxmox/settings/architecture.py"
_PROXMOX_TESTS = ["tests/unit/module_utils/_drivers/proxmox/test_architecture.py"]
_VBOX = "_drivers/vbox/settings/architecture.py"
_VBOX_TESTS = ["tests/unit/module_utils/_drivers/vbox/test_architecture.py"]
_FIRST = ["tests/unit/module_utils/_drivers/virsh/settings/test_architecture.py"]
_HARDWARE = ["tests/unit/module_utils/_drivers/virsh/settings/test_hardware.py"]
_VAGRANT = "_drivers/vagrant/settings/box.py"
_VAGRANT_TESTS = ["tests/unit/module_utils/_drivers/vagrant/test_architecture.py"]

MUTATIONS = (
    Mutation("arm64-gets-a-cpu-of-32-bits", _ROOM, "virt_type not in self.writes_cpu", 'virt_type != "kvm"', _FIRST),
    Mutation("missing-emulator-is-accepted", _ROOM, "types is None", "False", _FIRST),
    Mutation("disk-that-the-firmware-does-not-read-is-accepted", _ROOM, "bus_of(slot, entry) not in row.buses", "False",
             _FIRST),
    Mutation("image-is-for-the-architecture-of-the-host", "_drivers/virsh/images.py",
             'request.config.get("architecture") or self._driver.host_architecture', "self._driver.host_architecture",
             _FIRST),
    Mutation("cpu-of-32-bits-is-accepted", _ROOM, "unusable.match(value)", "False", _FIRST),
    Mutation("more-cpus-than-the-interrupt-controller-has", "_drivers/virsh/settings/hardware.py",
             "limit and count > limit", "False", _HARDWARE),
    Mutation("rom-is-not-needed-by-an-existing-vm", "_drivers/virsh/checks.py",
             'change.kind == "networks.add"', "False", _FIRST),
    Mutation("usb-drive-may-be-empty", "_drivers/virsh/settings/cdroms.py",
             'not entry.get("source", present)', "False",
             ["tests/unit/module_utils/_drivers/virsh/settings/test_cdroms.py"]),
    Mutation("word-in-the-name-of-a-host-is-an-architecture", "plugins/plugin_utils/installs/image_of_host.py",
             'rest.endswith(f"-{word}")', "word in rest", ["tests/unit/lookup/test_image_of_host.py"]),
    Mutation("cpus-are-plugged-into-arm64", "_drivers/virsh/settings/memory_cpus.py",
             "not row_of(vm.config).plugs_cpus", "False", ["tests/unit/tables/test_costs.py"]),
    Mutation("slots-of-ide-for-arm64-on-proxmox", _PROXMOX, "read_architecture(options) == ARM64", "False",
             _PROXMOX_TESTS),
    Mutation("slots-of-ide-in-plans-for-arm64-on-proxmox", _PROXMOX, "architecture_of(config) == ARM64", "False",
             _PROXMOX_TESTS),
    Mutation("architecture-of-the-node-is-sent", _PROXMOX, "architecture != own", "True", _PROXMOX_TESTS),
    Mutation("architecture-of-an-unknown-node-is-guessed", _PROXMOX, "own is None", "False", _PROXMOX_TESTS),
    Mutation("image-of-amd64-for-an-arm-node", "_drivers/proxmox/images.py",
             'config.get("architecture") or self._driver.own_architecture(self._node) or AMD64',
             'config.get("architecture") or AMD64', _PROXMOX_TESTS),
    Mutation("foreign-vm-without-arch-is-amd64", "_drivers/proxmox/observe.py",
             'not self.options.get("architecture")', "True", _PROXMOX_TESTS),
    Mutation("image-of-arm64-is-taken-for-amd64", "_media/names.py", 'stored.architecture == _USUAL', "True",
             _PROXMOX_TESTS),
    Mutation("x86-vm-on-an-arm-host", _VBOX, 'config.get("architecture", own) not in (own, found)', "False",
             _VBOX_TESTS),
    Mutation("x86-vm-is-created-again-for-arm64-on-virtualbox", _VBOX, "NEVER", '"destructive"', _VBOX_TESTS),
    Mutation("drives-that-arm64-lacks-are-created-again-on-proxmox", "_drivers/proxmox/checks.py",
             "check_buses(label, config)", "None", _PROXMOX_TESTS),
    Mutation("iso-in-a-drive-is-no-source", "_core/planner/plan_create.py",
             'drive and drive.get("source")', "False", ["tests/unit/module_utils/_core/planner/test_drives.py"]),
    Mutation("type-of-x86-on-an-arm-host", _VBOX, "found.endswith(_ENDING)", "True", _VBOX_TESTS),
    Mutation("older-vagrant-takes-any-box", _VAGRANT, "version < _SINCE", "False", _VAGRANT_TESTS),
    Mutation("provider-runs-every-architecture", _VAGRANT, "asked == host.architecture()", "True", _VAGRANT_TESTS),
    Mutation("box-is-for-the-architecture-of-the-host", "_drivers/vagrant/images.py",
             'request.config.get("architecture") or host.architecture()', "host.architecture()", _VAGRANT_TESTS),
    Mutation("generation-1-on-an-arm-host", "_drivers/hyperv/checks.py", 'found[0]["Value"].upper() == "ARM64"',
             "False", ["tests/platforms/hyperv/test_checks.py"]),
    Mutation("online-list-has-all-architectures", "_drivers/wsl/images.py", "published == _ALL", "True",
             ["tests/platforms/wsl/test_images.py"]),
    Mutation("lookup-returns-media-of-all-architectures", _CATALOGUE, 'medium["architecture"] == architecture', "True",
             _LOOKUP),
    Mutation("cpu-level-of-amd64-is-required-on-arm64", _CATALOGUE, 'what != "cpu"', "True", _LOOKUP),
    Mutation("medium-for-another-architecture-is-accepted", "_media/install_medium.py", "asked and asked != found",
             "False", ["tests/unit/module_utils/_media/test_medium.py"]),
    Mutation("cloud-init-alone-is-a-source", "_core/planner/plan_create.py::sets_content",
             "any(_is_set(request, option) for option in content_sources(traits))",
             "bool(request.creation) or any(_is_set(request, option) for option in content_sources(traits))",
             ["tests/unit/module_utils/_core/planner/test_drives.py"]),
    Mutation("keys-of-the-old-efi-disk-are-kept", "_drivers/proxmox/settings/architecture.py::kept_as",
             '{"secure_boot": None}', "{}", _PROXMOX_TESTS),
    Mutation("switch-of-another-cpu-is-kept", "_drivers/virsh/settings/architecture.py::kept_as",
             '{"nested_virtualization": None}', "{}", _FIRST),
)  # fmt: skip
