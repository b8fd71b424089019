# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NoCloud seeds for cloud-init: the documents, and the ISO image with them.

The target may not have PyYAML, so documents are written here: JSON, which is YAML, one top-level key per line; words
and the list of SSH keys are not quoted, because small guests parse them with sed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from .._core import errors
from .._ports import files
from .seed_network import macs_by_place, network_config

_INSTALL = "Install xorriso (package xorriso), or genisoimage, or mkisofs (package cdrtools)."
_HEADER = "#cloud-config"
#: Windows Setup looks for a file of this name in the root directory of each CD.
ANSWER_FILE, _ROOT_OF_ANSWERS = "autounattend.xml", "{urn:schemas-microsoft-com:unattend}unattend"
OVF_ENVIRONMENT = "ovf-env.xml"
#: Some versions of Windows search for the other name.
_ANSWER_FILES = (ANSWER_FILE, "unattend.xml")
#: Windows Setup loads drivers from this directory, on any CD.
_DRIVERS = "$WinPEDriver$"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}\Z")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./@+-]*\Z")
_MEANS_SOMETHING_ELSE = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_INSTANCE_ID = re.compile(r"""(?m)(^|[{,\s"'])instance-id["']?\s*:""")
#: Names of hosts with a domain; the last part is not only digits, as in the name of a version.
_WITH_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?[.])+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]\Z")
# Characters that YAML parsers reject, or read as a line break within a JSON text.
_NOT_IN_YAML = re.compile("[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def check(driver, plan):
    """Raise if a plan creates a seed, and that would fail; ``driver`` has ``commands``."""
    for step in plan.steps:
        if (step.arguments.get("creation") or {}).get("cloud_init") is not None:
            check_documents(step.arguments, plan.after.name)
            _check_drivers(step.arguments["creation"]["cloud_init"])
            find_tool(driver.commands)


def check_documents(arguments, name):
    """Raise the errors of the option cloud_init, from a step's ``arguments``; MACs are assumed to be known later."""
    to_be = {place: {"mac": "to be"} for place in arguments["config"].get("networks") or {}}
    macs = macs_by_place(to_be, arguments.get("networks"))
    nocloud_documents(arguments["creation"]["cloud_init"], name, "check", macs)


def nocloud_documents(cloud_init, name, instance_id, macs=()):
    """The seed's files as {file name: text}, from the option ``cloud_init`` of the VM ``name`` with these MACs."""
    if cloud_init.get("ovf_env") is not None:
        return {OVF_ENVIRONMENT: _ovf_environment(cloud_init["ovf_env"])}
    documents = {
        "user-data": _user_data(cloud_init, {} if _names_host(cloud_init) else _host_names(name)),
        "meta-data": _meta_data(cloud_init.get("meta_data"), name, instance_id),
    }
    network = network_config(cloud_init, macs)
    if network:
        documents["network-config"] = network if isinstance(network, str) else _emit(network)
    if cloud_init.get("answer_file"):
        documents.update(dict.fromkeys(_ANSWER_FILES, _answers(cloud_init["answer_file"])))
    documents.update(_more_answers(cloud_init, documents))
    return documents


def _more_answers(cloud_init, documents):
    """Return the files next to the answer file. Windows compares names without regard to case."""
    given = cloud_init.get("answer_files") or {}
    for name, text in given.items():
        if not isinstance(text, str) or not _FILE_NAME.match(name) or name.lower() in documents:
            raise errors.InvalidInput(
                f"cloud_init: answer_files: '{name}' is not a text with the name of a new file in the root directory.",
                "Use a name of letters, digits, dots and dashes, and set the text of the file.",
            )
    if (given or cloud_init.get("answer_drivers")) and not cloud_init.get("answer_file"):
        raise errors.InvalidInput(
            "cloud_init: answer_files and answer_drivers are for Windows Setup, which needs answer_file.",
            "Set answer_file, or remove them.",
        )
    return given


def _check_drivers(cloud_init):
    folder = cloud_init.get("answer_drivers")
    if folder and not files.is_folder(folder):
        raise errors.Refused(
            f"cloud_init: answer_drivers: {folder} is not a directory.",
            "Set a directory with the drivers for Windows Setup (.inf files), or remove the option.",
        )


def _ovf_environment(values):
    """The properties of an appliance, as its software reads them from an ISO image (DSP0243)."""
    namespace = "http://schemas.dmtf.org/ovf/environment/1"
    lines = [f"    <Property oe:key={quoteattr(key)} oe:value={quoteattr(value)}/>" for key, value in values.items()]
    begin = f'<Environment xmlns="{namespace}" xmlns:oe="{namespace}" oe:id="">'
    whole = ['<?xml version="1.0" encoding="UTF-8"?>', begin, "  <PropertySection>", *lines, "  </PropertySection>"]
    return "\n".join([*whole, "</Environment>", ""])


def files_for_wsl(cloud_init, name):
    """The files of WSL as {ending: text}. There, cloud-init has neither a network configuration nor a host name."""
    given = cloud_init.get("meta_data")
    meta_data = _meta_data(given, name, name) if isinstance(given, str) and given else None
    return {
        "user-data": _user_data(cloud_init, {}),
        "meta-data": meta_data or _emit({"instance-id": name, **(given or {})}),
    }


def make_seed(commands, files, path, documents, drivers=None):
    """Create an ISO image with ``documents`` at ``path``, readable only by its owner, because seeds contain passwords.

    ``drivers``: a directory for Windows Setup. The image is created in a private directory, then copied and renamed, so
    that an incomplete seed never has the final name.
    """
    tool = find_tool(commands)
    with files.private_folder() as inputs, files.private_folder() as output:
        for document, text in documents.items():
            files.write_atomically(os.path.join(inputs, document), text.encode("utf-8", "surrogateescape"))
        image = os.path.join(output, "seed.iso")
        label = "OVF ENV" if OVF_ENVIRONMENT in documents else "cidata"  # By these, cloud-init finds the image.
        argv = [*tool, "-quiet", "-o", image, "-V", label, "-J", "-r", inputs]
        if drivers:
            escaped = drivers.replace("\\", "\\\\").replace("=", "\\=")
            argv[-1:] = ["-graft-points", f"/={inputs}", f"/{_DRIVERS}/={escaped}"]
        completed = commands.run(argv)
        if completed.rc != 0:
            raise errors.CommandFailed(argv, completed.rc, completed.stderr)
        files.write_atomically(path, files.read(image))


def find_tool(commands):
    """The command line of a program that creates ISO images; NotFound names what to install."""
    for name, *mode in (("xorriso", "-as", "mkisofs"), ("genisoimage",), ("mkisofs",), ("mkhybrid",)):
        try:
            return [commands.find(name), *mode]
        except errors.Unavailable:
            continue
    raise errors.NotFound("cloud_init: no program to create ISO images was found.", _INSTALL)


def _user_data(cloud_init, host_names):
    given = cloud_init.get("user_data") or {}
    user, keys = cloud_init.get("user"), cloud_init.get("ssh_authorized_keys") or []
    password = cloud_init.get("password")
    if not isinstance(given, (str, Mapping)):
        raise errors.InvalidInput(
            "cloud_init: user_data is neither a mapping nor a text.", "Write it as a mapping, or as text with |."
        )
    if isinstance(given, str):
        if user or keys or password:
            raise _cannot_merge(given)
        return given
    config = dict(given)
    _refuse_conflicts(config, user, keys, password)
    if not {"hostname", "fqdn"} & set(config):
        config.update(host_names)
    if password:
        config.update(password=password, chpasswd={"expire": False})  # Otherwise it must be changed at the first login.
    if user:
        config["user"] = user
        if user == "root":
            config.setdefault("disable_root", False)  # Otherwise cloud-init disables root's key.
    own = config.pop("ssh_authorized_keys", None) or []
    own = [own] if isinstance(own, str) else own
    merged = list(dict.fromkeys(_key(key) for key in [*own, *keys]))
    return f"{_HEADER}\n{_emit(config)}{_emit_keys(merged)}"


def _answers(text):
    """Return an answer file for Windows Setup, which ignores a file that it cannot read."""
    try:
        is_one = ElementTree.fromstring(text.encode()).tag == _ROOT_OF_ANSWERS
    except (ElementTree.ParseError, ValueError):
        is_one = False
    if not is_one:
        raise errors.InvalidInput(
            "cloud_init: answer_file is not an answer file for Windows Setup (the XML element unattend).",
            "Set the text of the file, such as lookup('ansible.builtin.file', 'autounattend.xml').",
        )
    return text


def _cannot_merge(text):
    if text.startswith(_HEADER):
        return errors.InvalidInput(
            "cloud_init: user, password and ssh_authorized_keys cannot be merged into user_data that is a text.",
            "Write user_data as a mapping (without quotes and '|'), or put all of them into the text.",
        )
    return errors.InvalidInput(
        "cloud_init: user, password and ssh_authorized_keys require a cloud-config, but user_data is something else.",
        "Omit them and set their values in user_data, or write user_data as a mapping or a text that begins with"
        f" {_HEADER}.",
    )


def _refuse_conflicts(config, user, keys, password):
    """Reject combinations that cloud-init would silently resolve."""
    if user and config.get("user", user) != user:
        raise errors.InvalidInput(
            f"cloud_init: user is '{user}', but user_data sets another user.", "Set the user in only one of them."
        )
    twice = next((key for key in ("password", "chpasswd") if password and key in config), None)
    if twice:
        raise errors.InvalidInput(
            f"cloud_init: password and {twice} in user_data cannot be combined.",
            "Set the password in only one of them.",
        )
    users = config.get("users")
    if users is None:
        return
    # Top-level keys belong to the default user, which such a list may not contain.
    if user or ((keys or password) and "default" not in users):
        raise errors.InvalidInput(
            "cloud_init: user, password and ssh_authorized_keys cannot be combined with a list of users in user_data.",
            "Set them in the users of user_data.",
        )


def _meta_data(given, name, instance_id):
    if isinstance(given, str) and given:
        if not _INSTANCE_ID.search(given):
            raise errors.InvalidInput(
                "cloud_init: meta_data has no instance-id, and cloud-init ignores a seed without one.",
                "Add a line 'instance-id: ...', or write meta_data as a mapping to have one added.",
            )
        return given
    return _emit({"instance-id": instance_id, "local-hostname": _host_name(name), **(given or {})})


def _host_name(name):
    """The host name for a VM name: characters that are invalid in host names become a dash."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "vm"


def _names_host(cloud_init):
    """Whether the task itself sets the host name in meta_data; a text may do so."""
    given = cloud_init.get("meta_data") or {}
    return isinstance(given, str) or bool({"local-hostname", "hostname"} & set(given))


def _host_names(name):
    """The short host name and the full name, if the name of the VM has a domain: web1.example.com."""
    if not _WITH_DOMAIN.match(name):
        return {}
    return {"hostname": name.partition(".")[0], "fqdn": name}


def _key(key):
    """One public key, on one line: with a line break, a key could inject other cloud-config."""
    key = key.strip()
    if not key or "\n" in key or "\r" in key:
        raise errors.InvalidInput(
            "cloud_init: each entry of ssh_authorized_keys must be one public key, on one line.",
            "Use a list with one entry per key.",
        )
    return key


def _emit_keys(keys):
    if not keys:
        return ""
    return "ssh_authorized_keys:\n" + "".join(f"  - {_plain_or_json(key, _is_plain_line(key))}\n" for key in keys)


def _is_plain_line(text):
    """Whether YAML parses the rest of a line as exactly this text."""
    starts_safely = re.match(r"[A-Za-z]", text)
    return bool(starts_safely) and not re.search(r": | #|:\Z|\t", text) and not _NOT_IN_YAML.search(text)


def _emit(mapping):
    if not isinstance(mapping, Mapping):
        raise errors.InvalidInput(f"cloud_init: expected a mapping or a text, not {type(mapping).__name__}.")
    return "".join(f"{_value(str(key))}: {_value(value)}\n" for key, value in mapping.items())


def _value(value):
    is_word = isinstance(value, str) and _WORD.match(value) and value.lower() not in _MEANS_SOMETHING_ELSE
    return _plain_or_json(value, is_word)


def _plain_or_json(value, is_plain):
    if is_plain:
        return value
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise errors.InvalidInput("cloud_init: a value is not a text, number, list or mapping.") from error
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
