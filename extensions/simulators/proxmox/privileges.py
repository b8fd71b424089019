# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The privileges that a call needs: the checks of the schema, and those for pools, storages and volumes."""

from __future__ import annotations

import re

from . import schema
from .errors import ApiError, Forbidden, ParameterError

_ANY_CONFIG = re.compile(r"VM\.GuestAgent\.\w+")


def check_endpoint(world, user, endpoint, values):
    """Check the permissions that the schema requires for a method."""
    rule = world.schema.endpoints[endpoint].get("permissions") or {}
    check = rule.get("check")
    if check and not _holds(world, user, check, values):
        raise Forbidden(_named(world, user, check, values))


def _holds(world, user, check, values):
    kind = check[0]
    if kind in ("and", "or"):
        held = [_holds(world, user, part, values) for part in check[1:]]
        return all(held) if kind == "and" else any(held)
    if "require_param" in check and check[check.index("require_param") + 1] not in values:
        return False
    path = _path(check[1], values)
    return bool(path) and world.access.may(user, path, _aged(world, check[2]), "any" in check)


def _named(world, user, check, values):
    """The text about the missing privilege, or None if several alternatives exist."""
    if check[0] == "and":
        missing = next(part for part in check[1:] if not _holds(world, user, part, values))
        return _named(world, user, missing, values)
    if check[0] == "or":
        return None
    return f"{_path(check[1], values)}, {'|'.join(_aged(world, check[2]))}"


def _path(template, values):
    """The path of a check; it is empty, and the check fails, if the name of a pool has wrong characters."""
    path = re.sub(r"\{([^}]+)\}", lambda found: str(values.get(found.group(1), "")), template)
    return "" if path.startswith("/pool/") and not re.fullmatch(r"/pool/[A-Za-z0-9.\-_/]*", path) else path


def _aged(world, privileges):
    """Replace privileges for the guest agent by the one that existed before 9.0."""
    if world.schema.version >= (9, 0):
        return privileges
    return list(dict.fromkeys(_ANY_CONFIG.sub("VM.Monitor", name) for name in privileges))


def check_root_options(call, *names):
    """Check that only root@pam itself uses skiplock or one of these parameters."""
    for name in ("skiplock", *names):
        if call.get(name, "0") != "0" and not call.user.is_root:
            raise ParameterError.of({name: "Only root may use this option."})


def check_vm(call, vmid, wanted, any_of=False, pool=None):
    """Check privileges on a VM, or on the pool in which it is being created (check_vm_perm in RPCEnvironment.pm)."""
    access = call.world.access
    if not (pool and access.may(call.user, f"/pool/{pool}", wanted, any_of)):
        access.require(call.user, f"/vms/{vmid}", wanted, any_of)


def check_pool(call, pool):
    if pool is not None and pool not in call.world.cluster.pools:
        raise Forbidden(f"pool '{pool}' does not exist")


def check_space(call, storage_id):
    call.world.access.require(call.user, f"/storage/{storage_id}", ["Datastore.AllocateSpace"])


def may_access(call, volid):
    try:
        check_volume(call, volid)
    except ApiError:
        return False
    return True


def check_volume(call, volid, vmid=None, kind=None):
    """Check whether the caller may use an existing volume for a VM (check_volume_access in Storage.pm). ``kind`` is the
    content type that it must have.
    """
    access, user = call.world.access, call.user
    if volid.startswith("/"):
        if not user.is_root:
            raise ApiError("Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 1.")
        return
    wanted, (kind, owner) = kind, call.world.storages.parsed(volid)
    if wanted not in (None, kind):
        raise ApiError(f"unable to use volume {volid} - content type needs to be '{wanted}'")
    path = f"/storage/{volid.partition(':')[0]}"
    if access.may(user, path, ["Datastore.Allocate"]) or (owner is not None and owner == vmid):
        return
    if kind in ("iso", "vztmpl", "import"):
        access.require(user, path, ["Datastore.AllocateSpace", "Datastore.Audit"], any_of=True)
    elif kind == "backup" and owner is not None:
        access.require(user, path, ["Datastore.AllocateSpace"])
        access.require(user, f"/vms/{owner}", ["VM.Backup"])
    elif owner is not None:
        access.require(user, path, ["Datastore.Audit"])
        access.require(user, f"/vms/{owner}", ["VM.Config.Disk"])
    else:
        raise ApiError(f"missing privileges to access {volid}")


def option_keys(text):
    """The names in a ``delete`` or ``revert`` parameter."""
    return list(dict.fromkeys(schema.split_list(text)))
