# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that change nothing."""

from __future__ import annotations

import os

from . import texts
from .output import Failure
from .project import read
from .providers import STATES

#: The row "state-human-long" for each provider and state.
_LONG = {
    "libvirt": {
        "not_created": "The Libvirt domain is not created. Run `vagrant up` to create it.",
        "running": "The Libvirt domain is running. To stop this machine, you can run\n"
        "`vagrant halt`. To destroy the machine, you can run `vagrant destroy`.",
        "shutoff": "The Libvirt domain is not running. Run `vagrant up` to start it.",
        "paused": "The Libvirt domain is suspended. Run `vagrant resume` to resume it.",
    },
    "virtualbox": {
        "not_created": "The environment has not yet been created. Run `vagrant up` to\n"
        "create the environment. If a machine is not created, only the\n"
        "default provider will be shown. So if a provider is not listed,\n"
        "then the machine is not created for that environment.",
        "running": "The VM is running. To stop this VM, you can run `vagrant halt` to\n"
        "shut it down forcefully, or you can run `vagrant suspend` to simply\n"
        "suspend the virtual machine. In either case, to restart it again,\n"
        "simply run `vagrant up`.",
        "poweroff": "The VM is powered off. To restart the VM, simply run `vagrant up`",
        "saved": "To resume this VM, simply run `vagrant up`.",
    },
}


def status(call):
    targets = call.targets(call.plain)
    lines = []
    for target in targets:
        name, provider = target.machine.name, target.provider.name
        short = target.state if provider == "hyperv" else target.state.replace("_", " ")
        call.output.row("provider-name", provider, target=name)
        call.output.row("state", target.state, target=name)
        call.output.row("state-human-short", short, target=name)
        call.output.row("state-human-long", _long(target), target=name)
        lines.append(f"{name:<25} {short} ({provider})")
    explanation = _long(targets[0]) if len(targets) == 1 else texts.SEVERAL
    call.output.message("Current machine states:\n\n{}\n\n{}".format("\n".join(lines), explanation))


def _long(target):
    return _LONG.get(target.provider.name, {}).get(target.state, "")


def ssh_config(call):
    guests = call.registry.read()["guests"]
    for target in call.targets(call.plain):
        if target.state != STATES[target.provider.name][1] or guests.get(target.machine.name) == "without an address":
            raise Failure("SSHNotReady", texts.SSH_NOT_READY)
        text = _ssh_config(call, target)
        call.output.row("ssh-config", text, target=target.machine.name)
        call.output.stdout.append(f"{text}\n")


def _ssh_config(call, target):
    host, port = target.provider.ssh(target.id)
    folder = os.path.join(target.machine.folder, target.provider.name)
    has_own = read(target.machine, target.provider.name, "private_key")
    key = os.path.join(folder, "private_key") if has_own else os.path.join(call.project.home, "insecure_private_key")
    user = call.registry.read().get("user", "root")
    settings = {
        "HostName": host,
        "User": user,
        "Port": port,
        "UserKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "no",
        "PasswordAuthentication": "no",
        "IdentityFile": f'"{key}"' if " " in key else key,
        "IdentitiesOnly": "yes",
        "LogLevel": "FATAL",
    }
    return f"Host {target.machine.name}\n" + "".join(f"  {name} {value}\n" for name, value in settings.items())


def validate(call):
    call.targets(call.plain)
    invalid = call.registry.read().get("invalid")
    if invalid:
        raise Failure("ConfigInvalid", texts.INVALID.format(errors=invalid))
    call.output.message("Vagrantfile validated successfully.")


def version(call):
    installed = call.registry.read()["version"]
    call.output.message(f"Installed Version: {installed}", "output")
    call.output.row("version-installed", installed)
    unknown = "Vagrant was unable to check for the latest version of Vagrant.\nPlease check manually at"
    call.output.message(f"\n{unknown} https://www.vagrantup.com", "output")


def boxes(call):
    for box in call.registry.read()["boxes"]:
        call.output.message(f"{box['name']} ({box['provider']}, {box['version']})")
        for name in ("name", "provider", "version"):
            call.output.row(f"box-{name}", box[name])


def plugins(call):
    for name, number in call.registry.read()["plugins"].items():
        call.output.message(f"{name} ({number}, system)")
        call.output.row("plugin-name", name)
        call.output.row("plugin-version", f"{number}, system", target=name)
