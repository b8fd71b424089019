# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a platform's module does not offer is what its traits reject at every version, no more and no less."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import (
    AT_START,
    LOOKED_UP,
    PLACE,
    POLICY,
    PURGED,
    VM,
    Option,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.platform import Platform
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.differences import check_supported, normalize
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv import options as hyperv
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.traits import hyperv_traits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import options as proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import proxmox_traits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import options as vagrant
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.traits import vagrant_traits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox import options as vbox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.traits import vbox_traits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import options as virsh
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl import options as wsl
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.traits import wsl_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrantfile_provider import PROVIDERS
from ansible_collections.polyvirt.core.plugins.modules import (
    hyperv_vm,
    proxmox_vm,
    vagrant_instance,
    vbox_vm,
    virsh_vm,
    wsl_distro,
)

PLAIN = {name: option.default for name, option in VM.items()}
SIZE, MAC = "2G", "52:54:00:00:00:01"
VALUES = {"bool": True, "int": 1, "list": ["x"], "dict": {"x": "1"}, "path": "/x", "str": "/x", "raw": "x"}
#: Values to try where not every text will do; that one of them is taken is enough.
OWN_VALUES = {
    "mac": (MAC,),
    "address": ("192.168.56.10",),
    "ip_config": (["ip=dhcp"],),
    "ssh_authorized_keys": (["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE="],),
    "user_data": ("#!/bin/sh",),
    "format": ("raw", "vdi", "qcow2", "vhdx"),
    "model": ("virtio", "82540EM"),
    "os_type": ("linux", "debian-12"),
    "slot": (),
    "image.slot": ("sata0",),
    "appliance.checksum": (f"sha256:{'0' * 64}",),
    "appliance.networks": ([{"name": "LAN", "type": "nat"}],),
    "cdroms.slot": ("sata1",),
    "serial": ("data-1",),
    "bandwidth_limit": ("10M",),
    "trunk": (["20-30"],),
    "image.source": ("debian-13",),
    "video_memory": ("16M",),
    "expires": ("2037-01-31",),
}


@dataclass(frozen=True)
class Case:
    """A platform, its module, and its traits at all versions and on all hosts that make a difference."""

    own: ModuleType
    module: ModuleType
    variants: tuple

    @property
    def platform(self):
        (platform,) = [one for one in vars(self.own).values() if isinstance(one, Platform)]
        return platform

    @property
    def options(self):
        return {**VM, **self.own.VM}


CASES = [
    Case(
        virsh,
        virsh_vm,
        tuple(virsh_traits("QEMU", version, local) for version in ("6.0.0", "11.0.0") for local in (True, False)),
    ),
    Case(vbox, vbox_vm, tuple(vbox_traits(version) for version in ((6, 1, 0), (7, 2, 0)))),
    Case(vagrant, vagrant_instance, tuple(vagrant_traits({provider}) for provider in PROVIDERS)),
    Case(hyperv, hyperv_vm, (hyperv_traits(None),)),
    Case(wsl, wsl_distro, (wsl_traits(None),)),
    Case(proxmox, proxmox_vm, (proxmox_traits("7.0"), proxmox_traits("9.1"))),
]


def _values(name, option, path=None):
    """{what is called so in ``lacks``: values to try}."""
    choices = option.choices or ((True, False) if option.type == "bool" else ())
    if choices:
        return {f"={choice}".lower(): (choice,) for choice in choices}
    values = OWN_VALUES.get(path) or OWN_VALUES.get(name, (SIZE if option.unit else VALUES[option.type],))
    return {"": values} if values else {}


def _asked(name, option, suboption, value):
    """What a task says that sets one suboption."""
    if name == "devices":
        return {name: [_device(suboption, value)]}
    parts = option.options.items()
    required = {key: _values(key, one, f"{name}.{key}")[""][0] for key, one in parts if one.required}
    entry = {**required, suboption: value}
    if not option.key:
        return {name: entry}
    # The first NIC has rules of its own on some platforms.
    return {name: [{"type": "nat"}, entry] if option.key == PLACE else [entry]}


def _device(suboption, value):
    """An entry of ``devices``: it has an id or a mapping, and what identifies a device depends on its type."""
    if suboption == "mapping":
        return {"type": "pci", "mapping": "gpu1"}
    kind = value if suboption == "type" else "pci"
    return {"type": kind, "id": {"pci": "0000:01:00.0", "usb": "046d:c52b"}[kind]}


def _probes():
    """{path: [options of a task]} for each setting, creation input, suboption and choice that platforms share."""
    probes = {}
    for name, option in VM.items():
        if option.role in (POLICY, AT_START):
            continue
        if not option.options:
            tried = _values(name, option).items()
            probes.update({f"{name}{choice}": [{name: value} for value in values] for choice, values in tried})
        for suboption, one in option.options.items():
            for choice, values in _values(suboption, one, f"{name}.{suboption}").items():
                asked = [_asked(name, option, suboption, value) for value in values]
                probes[f"{name}.{suboption}{choice}"] = asked
    return probes


PROBES = _probes()


def _is_rejected(asked, traits, options):
    (request,) = requests({**PLAIN, "name": ["web"], **asked}, options)
    vm = Vm("web", id="u")
    try:
        check_supported("web", normalize(vm, request.config, traits), request.creation, traits)
    except Unsupported:
        return True
    except Refused:
        return False  # The platform has it, and this value does not suit.
    return False


def _below(path):
    return {one for one in PROBES if one == path or one.startswith((f"{path}.", f"{path}="))}


def _rejected_by(case):
    """The paths that all traits reject; of an option that is lacking as a whole, its own path alone."""
    rejected = {
        path
        for path, probes in PROBES.items()
        if all(_is_rejected(asked, traits, case.options) for traits in case.variants for asked in probes)
    }
    paths = set()
    for name, option in VM.items():
        for path in (name, *(f"{name}.{suboption}" for suboption in option.options), *_below(name)):
            if (
                _below(path)
                and _below(path) <= rejected
                and not any(path.startswith((f"{one}.", f"{one}=")) for one in paths)
            ):
                paths.add(path)
    if not any("snapshot.content" in traits.fields for traits in case.variants):
        paths |= {"compare.content", "compare.text"}
    return paths


PLATFORMS = pytest.mark.parametrize("case", CASES, ids=lambda case: case.platform.name)


@PLATFORMS
def test_platform_lacks_what_its_traits_always_reject(case):
    # How a task goes about it, or finds an image, is no setting, which traits could reject.
    policy = {name for name, option in VM.items() if option.role in (POLICY, AT_START)}
    finding = {f"image.{name}" for name in LOOKED_UP}
    # These become networks, which the traits reject.
    finding.add("appliance.networks.model")
    lacks = [path for path in case.platform.lacks if re.split("[.=]", path)[0] not in policy and path not in finding]
    assert sorted(lacks) == sorted(_rejected_by(case))


@PLATFORMS
def test_each_is_rejected_with_what_to_use_instead(case):
    for path, probes in PROBES.items():
        lacking = [one for one in case.platform.lacks if path in _below(one)]
        for asked in probes:
            error = case.platform.rejected(asked, {})
            assert (error is not None) == bool(lacking), path
            if error:
                assert error.message == f"{lacking[0].replace('=', ': ')} is not supported on {case.platform.name}."
                assert error.remedy == case.platform.lacks[lacking[0]]


def _offered(spec, above=""):
    """Every option, suboption and choice of an argument spec, as a path."""
    for name, option in spec.items():
        yield f"{above}{name}"
        choices = option.get("choices") or ((True, False) if option["type"] == "bool" else ())
        yield from (f"{above}{name}={choice}".lower() for choice in choices)
        yield from _offered(option.get("options", {}), f"{above}{name}.")


@PLATFORMS
def test_module_offers_all_others(case):
    lacking = {path for one in case.platform.lacks for path in _below(one)}
    assert set(PROBES) & set(_offered(case.module.MODULE.argument_spec)) == set(PROBES) - lacking


def test_list_that_a_platform_lacks_cannot_be_purged():
    assert proxmox_vm.MODULE.argument_spec["purge"]["choices"] == ["cdroms", "devices", "disks", "networks"]
    assert virsh_vm.MODULE.argument_spec["purge"]["choices"] == list(PURGED)


def test_only_what_is_named_is_left_out():
    options = {"a": Option(choices=("x", "y")), "b": Option("dict", options={"a": Option(), "c": Option()})}
    kept = Platform("p", {"a=x": "", "b.c": ""}).supported(options)
    assert (list(kept["a"].choices), list(kept["b"].options)) == (["y"], ["a"])
