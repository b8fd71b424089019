# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis strategies for platforms, VMs and requests: any VM that could exist, and any request for it."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core import model
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    Field,
    File,
    Policy,
    Request,
    Snapshot,
    SnapshotRequest,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import STATES
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.power import ENDS_IN
from hypothesis import strategies as st

KINDS = (
    "cpus", "memory", "description", "firmware", "tags", "iso", "native", "display.type",
    "disks.add", "disks.remove", "disks.size", "disks.format",
    "networks.add", "networks.remove", "networks.type", "networks.mac",
    "port_forwards.add", "port_forwards.remove", "port_forwards.host_port",
)  # fmt: skip
# Mostly costs that allow the change, so that not every plan is rejected.
LIKELY_COSTS = st.sampled_from((model.LIVE, model.NEXT_BOOT, model.POWER_OFF) * 3 + (model.DESTRUCTIVE, model.NEVER))
SIZES = st.integers(1, 4).map(lambda size: size << 30)
SCALARS = {
    "cpus": st.integers(1, 3),
    "memory": SIZES,
    "description": st.sampled_from(["", "one", "two"]),
    "firmware": st.sampled_from(["bios", "uefi"]),
    "tags": st.sampled_from([(), ("a",), ("a", "b")]),
    "iso": st.sampled_from(["", "/iso/a.iso"]),
}
COLLECTIONS = {
    "disks": (
        st.sampled_from(["disk0", "disk1"]),
        {"size": SIZES, "format": st.sampled_from(["raw", "qcow2"]), "source": st.sampled_from(["/d/own", "/d/other"])},
    ),
    "networks": (
        st.sampled_from(["0", "1"]),
        {
            "type": st.sampled_from(["nat", "bridged"]),
            "mac": st.sampled_from(["52:54:00:00:00:01", "aa:54:00:00:00:02"]),
        },
    ),
    "port_forwards": (st.sampled_from(["ssh", "web"]), {"host_port": st.sampled_from([22, 80])}),
}


@st.composite
def platforms(draw):
    """Consistent Traits: a power state is supported only with the verb for it."""
    usual, unusual = draw(LIKELY_COSTS), draw(st.dictionaries(st.sampled_from(KINDS), LIKELY_COSTS, max_size=6))
    fields = {kind: Field(cost=unusual.get(kind, usual)) for kind in KINDS}
    fields.update({kind: Field(readable=False) for kind in draw(st.sets(st.sampled_from(KINDS), max_size=1))})
    for kind in draw(st.sets(st.sampled_from(KINDS), max_size=1)):
        del fields[kind]
    fields.update({kind: Field() for kind in ("image", "clone", "disks.source", "snapshot.drop")})
    fields["snapshot.take"] = Field(cost=draw(st.sampled_from((model.LIVE, model.NEVER))))
    fields["snapshot.restore"] = Field(cost=draw(st.sampled_from((model.LIVE, model.POWER_OFF))))
    lacking = draw(st.sets(st.sampled_from(["pause", "suspend", "reset"]), max_size=2))
    modes = draw(st.sampled_from([("graceful", "force", "graceful_then_force"), ("force",)]))
    powers = {model.STOPPED, model.RUNNING, model.PAUSED, model.SUSPENDED}
    powers -= {{"pause": model.PAUSED, "suspend": model.SUSPENDED}.get(verb) for verb in lacking}
    left_in = model.SUSPENDED if model.SUSPENDED in powers and draw(st.booleans()) else model.RUNNING
    return Traits(
        platform="any",
        powers=frozenset(powers),
        verbs=frozenset(model.VERBS) - lacking,
        fields=fields,
        stop_modes=modes,
        defaults={"cpus": 2, "memory": 2 << 30, "disk_size": 2 << 30},
        restored_as={model.RUNNING: left_in},
        taken_as=draw(st.sampled_from([lambda vm, snapshot: (snapshot.kind, vm.power), _taken_without_memory])),
        harmless=draw(st.sampled_from([frozenset(), frozenset({"locked"})])),
        power_after_create=draw(st.sampled_from([model.STOPPED, model.RUNNING])),
    )


def _taken_without_memory(vm, snapshot):
    """Return kind and power of a new snapshot on a platform where snapshots contain no memory."""
    return "external", model.STOPPED


def entries(name, attributes_always=(), min_size=0):
    keys, attributes = COLLECTIONS[name]
    always = {key: value for key, value in attributes.items() if key in attributes_always}
    optional = {key: value for key, value in attributes.items() if key not in attributes_always}
    return st.dictionaries(keys, st.fixed_dictionaries(always, optional=optional), min_size=min_size, max_size=2)


def configs(requested):
    """The configuration of a VM, or a requested one, in which entries may be None (to be removed)."""
    parts = dict(SCALARS)
    for name in COLLECTIONS:
        present = entries(name, ("size",) if name == "disks" else (), min_size=1)
        removed = st.dictionaries(COLLECTIONS[name][0], st.none(), max_size=1)
        parts[name] = st.builds(lambda one, other: {**one, **other}, present, removed) if requested else present
    parts["native"] = st.dictionaries(st.sampled_from("xy"), st.integers(0, 1), max_size=2)
    parts["display"] = st.fixed_dictionaries({}, optional={"type": st.sampled_from(["vnc", "none"])})
    # A VM always has these settings; a request has any of them.
    always_known = {} if requested else {name: parts.pop(name) for name in ("cpus", "memory", "disks", "networks")}
    return st.fixed_dictionaries(always_known, optional=parts)


def files():
    return st.builds(
        File,
        path=st.sampled_from(["/d/own", "/d/other", "/d/third"]),
        role=st.sampled_from(["disk", "disk", "medium", "support"]),
        ours=st.booleans(),
        used_by=st.sampled_from([(), (), (), ("db",)]),
        bound=st.booleans(),
    )


@st.composite
def snapshots(draw, traits, config):
    """A forest: each snapshot's parent was taken before it. Names need not be unique, ids are."""
    taken = []
    for number in range(draw(st.integers(0, 3))):
        parent = draw(st.sampled_from([None, *(one.id for one in taken)]))
        power = draw(st.sampled_from(sorted(traits.powers)))
        name = draw(st.sampled_from(["s1", "s2"]))
        kept = draw(st.sampled_from([None, config]))
        created = draw(st.sampled_from([None, 1, number]))
        kind = draw(st.sampled_from(["", "internal", "external"]))
        current = number == draw(st.integers(0, 2))
        one = Snapshot(
            name=name,
            id=f"u{number}",
            parent=parent,
            power=power,
            config=kept,
            kind=kind,
            created=created,
            current=current and not any(other.current for other in taken),
        )
        taken.append(one)
    return tuple(taken)


@st.composite
def vms(draw, traits):
    usual, unusual = sorted(traits.powers), [model.ABSENT, model.FAILED, model.UNKNOWN]
    power = draw(st.sampled_from([*usual, *usual, *unusual]))
    if power == model.ABSENT:
        return Vm.absent("web").having(recipe=draw(st.sampled_from([None, "a file"])))
    config = draw(configs(requested=False))
    on = power in model.ON
    active = draw(st.one_of(st.none(), st.just(config), configs(requested=False))) if on else None
    runs = power in (model.RUNNING, model.PAUSED)
    return Vm(
        name="web",
        id="u-web",
        power=power,
        busy=draw(st.sampled_from([None] * 5 + ["stopping", "locked"])),
        persistent=not runs or draw(st.integers(0, 5)) > 0,
        config=config,
        active=active,
        snapshots=draw(st.one_of(st.just(()), snapshots(traits, config))),
        mark=draw(st.sampled_from([{"id": "u-web"}, {"id": "u-other"}, None])),
        files=tuple(draw(st.lists(files(), max_size=2, unique_by=lambda file: file.path))),
    )


@st.composite
def policies(draw, traits):
    return Policy(
        stop_mode=draw(st.sampled_from([None, *traits.stop_modes])),
        allow_restart=draw(st.booleans()),
        allow_recreate=draw(st.booleans()),
        delete_disks=draw(st.sampled_from(["owned", "none", "all"])),
        purge=draw(st.frozensets(st.sampled_from(sorted(COLLECTIONS)), max_size=2)),
    )


@st.composite
def requests(draw, traits):
    sources = [{"image": {"source": "/i"}}, {"clone": {"source": "db"}}, {}]
    states = [state for state in STATES if ENDS_IN[state] in {None, model.ABSENT, *traits.powers}]
    policy = draw(policies(traits))
    return Request(
        name="web",
        state=draw(st.sampled_from(["present", "present", "stopped", *states])),
        config={**{name: {} for name in sorted(policy.purge)}, **draw(configs(requested=True))},
        creation=draw(st.sampled_from(sources)),
        policy=policy,
    )


def source_of(request):
    """The VM that a request clones: it has the requested disks and firmware, and nothing else."""
    disks = {key: dict(entry) for key, entry in request.config.get("disks", {}).items() if entry is not None}
    disks["disk0"] = {"size": 64 << 30}
    return Vm(name="db", id="u-db", config={"disks": disks, "firmware": request.config.get("firmware")})


@st.composite
def snapshot_requests(draw, traits):
    snapshot = SnapshotRequest(
        name=draw(st.sampled_from(["s1", "s2", "s3", "u0"])),
        state=draw(st.sampled_from(["present", "absent", "restored"])),
        description=draw(st.sampled_from([None, "one"])),
        include_memory=draw(st.sampled_from([None, True, False])),
        kind=draw(st.sampled_from(["", "internal", "external"])),
        keep_last=draw(st.sampled_from([None, 1, 2])),
        children=draw(st.booleans()),
        power=draw(st.sampled_from(["snapshot", "keep"])),
    )
    return Request(name="web", snapshot=snapshot, policy=draw(policies(traits)))


@st.composite
def situations(draw, request_strategy):
    """(vm, request, traits)"""
    traits = draw(platforms())
    return draw(vms(traits)), draw(request_strategy(traits)), traits


@st.composite
def rebuilds(draw):
    """A VM of this collection, and a request (with permission) for a firmware that needs its recreation."""
    vm, request, traits = draw(situations(requests))
    firmware = {"bios": "uefi", "uefi": "bios"}[vm.config.get("firmware") or "bios"]
    vm = vm.having(busy=None, persistent=True, snapshots=(), mark={"id": vm.id})
    fields = {kind: Field(cost=model.NEXT_BOOT) for kind in (*KINDS, "disks.source", "image", "clone")}
    policy = replace(request.policy, allow_recreate=True)
    return (
        vm,
        replace(request, config={**request.config, "firmware": firmware}, policy=policy),
        replace(traits, fields={**fields, "firmware": Field(cost=model.DESTRUCTIVE)}),
    )
