# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options about backups, and how the parameters of a task become requests."""

from __future__ import annotations

from ..backup.backup import CONSISTENCIES, CRASH, NEWEST, BackupRequest, Keep
from ..errors import InvalidInput
from ..frozen import fields
from ..model import Policy as PolicyOfRequest
from ..model import Request
from ..record.leases import seconds
from .option import (
    CALL_TIMEOUT,
    CONTROLLER_TIME,
    ID,
    NAMES,
    STOP_MODES,
    TIMEOUT,
    Consent,
    Option,
    Policy,
    Seconds,
    Texts,
)
from .request import check_names, given_options, names_of

#: {platform: option that says where backups are}
PLACES = {"libvirt": "directory", "proxmox": "storage"}
_RULES = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly")
#: A platform lacks ``directory`` or ``storage``.
BACKUP = {
    "name": NAMES,
    "id": ID,
    "each": Policy("dict", hidden=True),
    "state": Policy(choices=("present", "absent", "restored"), default="present"),
    "directory": Policy("path", absolute=True, filled=True),
    "allow_shared_directory": Consent(),
    "allow_host_access": Consent(only_with="restored"),
    "storage": Policy(filled=True),
    "max_age": Policy(normalize=seconds, only_with="present"),
    "consistency": Policy(choices=CONSISTENCIES, default=CRASH, only_with="present"),
    "exclude": Texts(role="policy", default=[], only_with="present"),
    "verify": Consent(only_with="present"),
    "protected": Policy("bool", only_with="present"),
    **dict.fromkeys(_RULES, Policy("int", limits=(1, None), only_with="present")),
    "keep_within": Policy(normalize=seconds, only_with="present"),
    "allow_restart": Consent(only_with="present"),
    "stop_mode": Policy(choices=STOP_MODES, only_with="present"),
    "stop_timeout": Seconds(only_with="present"),
    "backup": Policy(filled=True),
    "new_name": Policy(filled=True, only_with="restored"),
    "replace": Consent(only_with="restored"),
    "networks": Policy("dict", only_with="restored"),
    "timeout": TIMEOUT,
    **CALL_TIMEOUT,
    **CONTROLLER_TIME,
}
#: Those of ``backup_run``.
BACKUP_RUN = {
    "action": Policy(choices=("backup", "drill"), default="backup"),
    "hosts": Texts(role="policy", required=True),
    "sources": Option("list", elements="path", role="policy"),
    "timeout": Seconds(default=21600),
    "wait_for": Policy(choices=("state", "cloud_init"), default="state"),
    "console": Policy(filled=True),
    "wait_timeout": Seconds(default=600),
}


def backup_requests(params, options):
    """Return the requests of a task about backups, in the order of its VM names.

    ``each`` ({name: ID or None}) makes each VM a task of its own: one that is rejected does not reject the others.
    """
    names, given = names_of(params), given_options(params, options)
    _check_given(given, names)
    keep = Keep(**{name: given.get(f"keep_{name}") for name in fields(Keep)})
    asked = {name: given[name] for name in fields(BackupRequest) if name in given}
    policy = {name: given[name] for name in fields(PolicyOfRequest) if name in given}
    new_name, ids = given.get("new_name"), given.get("each", {})
    return [
        Request(
            name=new_name or name,
            id=None if new_name else ids.get(name, given.get("id")),
            backup=BackupRequest(**{**asked, "keep": keep, "of": name or given.get("id"), "is_beside": bool(new_name)}),
            policy=PolicyOfRequest(**policy),
        )
        for name in names
    ]


def _check_given(given, names):
    state, backup = given["state"], given.get("backup")
    if given.get("new_name") and given.get("id"):
        raise InvalidInput("id: is not supported with new_name.", "Set name: the name that the VM has in the backup.")
    if state == "present" and given.get("max_age") is None:
        raise InvalidInput(
            "max_age: it is not set.", "Set how old the newest backup may be, such as 20h for a daily run."
        )
    if state == "present" and backup is not None:
        raise InvalidInput("backup: is not supported with state: present.", "Omit backup.")
    if state != "present" and backup is None:
        values = f"its ID, or {NEWEST}" if state == "restored" else "its ID"
        raise InvalidInput(f"backup: it is not set, and state: {state} needs it.", f"Set {values}.")
    if state == "absent" and backup == NEWEST:
        raise InvalidInput("backup: newest is not supported with state: absent.", "Set the ID of the backup.")
    if given.get("new_name") is not None:
        _check_new_name(given, names)


def _check_new_name(given, names):
    if len(names) > 1:
        raise InvalidInput("new_name: it is one VM, but several names are set.", "Use a task for each VM.")
    if given.get("replace"):
        raise InvalidInput("replace: is not supported with new_name.", "Omit one of them.")
    if given["new_name"] == names[0]:
        raise InvalidInput(
            f"new_name: '{names[0]}' is the name of the VM itself.", "Set another name, or omit new_name."
        )
    check_names([given["new_name"]], None)
