# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: which medium of an image a VM gets, and how it becomes a format that the platform reads.

A medium is a dictionary of the catalogue: how to download it, and in ``image`` what it contains. This file knows no
platform: what a platform, its host and the VM need is in ``Needs``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .._core.errors import Refused
from .._core.frozen import Frozen

CLOUD, BOX, WSL = "cloud", "box", "wsl"
_DISK_FORMATS = ("qcow2", "raw", "vhd", "vhdx", "vmdk", "vdi")
_NOUNS = {CLOUD: "cloud image", BOX: "box", WSL: "distribution for WSL"}
_INSTALLERS = ("iso", "netboot", "disk")
_PACKAGES = {
    "qemu-img": "qemu-utils on Debian and Ubuntu, qemu on OpenBSD, qemu-img elsewhere",
    "xz": "xz-utils on Debian and Ubuntu, xz elsewhere",
    "gz": "gzip",
    "zst": "zstd",
    "bz2": "bzip2",
    "tar": "tar",
}
_CLOUD_INIT = {
    "azure": "its cloud-init reads only the data of Microsoft Azure",
    "none": "it contains no cloud-init, and waits for a person at its first start",
}
_ANOTHER = "Set the path or the address of another image."


class Converter(NamedTuple):
    """A tool that writes a disk image in another format."""

    tool: str
    reads: tuple
    writes: tuple


QEMU_IMG = Converter("qemu-img", _DISK_FORMATS, _DISK_FORMATS)
DECOMPRESSORS = ("xz", "gz", "zst", "bz2", "tar")


class Needs(Frozen):
    """What a platform, its host and one VM need.

    ``platform`` and ``alternative`` (what else could be used if there is no such medium at all) are for messages.
    ``formats`` are read as they are, the best one first; anything else is converted to ``target``, or to the first of
    them. ``devices`` are the NIC models and controllers of the VM, in the words of ``missing_drivers`` of a medium.
    None means that any is accepted, or that it is not known. ``where``: where tools are installed, if that is not the
    host.
    """

    platform: str
    architecture: str
    formats: tuple
    kind: str = CLOUD
    firmware: str | None = None
    target: str | None = None
    converters: tuple = ()
    decompressors: tuple = ()
    devices: tuple = ()
    cpu: str | None = None
    serial_console: bool = False
    provider: str | None = None
    alternative: str = ""
    where: str = ""


class Step(NamedTuple):
    """``verb``: decompress, extract or convert; ``what``: the compression, the file in the archive or the format."""

    verb: str
    what: str
    tool: str


class Choice(NamedTuple):
    """The medium as it was handed over, the steps after its download, and the format that they lead to."""

    medium: dict
    chain: tuple
    format: str


class _Problem(NamedTuple):
    what: str
    remedy: str


def resolve(media, needs, about):
    """Return the Choice for a VM; ``about`` begins the message, such as ``web1: image: debian-13``.

    Media that need no conversion come first, then those in the better format, then those that are listed first.
    Raises Refused with what does not fit and what does.
    """
    suitable = _suitable(media, needs, about)
    found = [(medium, [*_problems(medium, needs)]) for medium in suitable]
    choices = [_choice(medium, needs) for medium, problems in found if not problems]
    if choices:
        return min(choices, key=lambda one: _rank(one, needs))
    medium, problems = min(found, key=lambda one: len(one[1]))
    whats = "; ".join(problem.what for problem in problems)
    raise Refused(f"{about}: {name_of(medium)}: {whats}.", " ".join(problem.remedy for problem in problems))


def name_of(medium):
    """Return the name of a medium for people: a file, a box, or a name of the online list."""
    image = medium.get("image") or {}
    return medium.get("file") or image.get("box") or image.get("online_name") or medium["type"]


def _suitable(media, needs, about):
    """The media of the right kind and architecture; raises Refused if there are none."""
    of_kind = [one for one in media if one["type"] == needs.kind]
    if not of_kind:
        raise Refused(f"{about}: no {_NOUNS[needs.kind]} of it is known for {needs.platform}.", _instead(media, needs))
    found = [one for one in of_kind if _architecture(one) == needs.architecture]
    if not found:
        others = ", ".join(sorted({_architecture(one) for one in of_kind}))
        raise Refused(
            f"{about}: no {_NOUNS[needs.kind]} of it is known for {needs.architecture}.",
            f"It is published for {others}.",
        )
    return found


def _instead(media, needs):
    if needs.alternative:
        return needs.alternative
    found = [one for one in media if one["type"] in _INSTALLERS and _architecture(one) == needs.architecture]
    if any(one.get("installer") == "windows" for one in found):
        return "Use the playbook polyvirt.core.windows with the ISO image of the vendor."
    if found:
        return "Install it with the role polyvirt.core.unattended_install, or set the path or address of an image."
    return "Set the path or the address of an image."


def _architecture(medium):
    return medium.get("architecture", "amd64")


# What does not fit ----------------------------------------------------------------------------------------------------


def _problems(medium, needs):
    image = medium["image"]
    cloud_init = image.get("cloud_init", "any")
    if cloud_init in _CLOUD_INIT:
        yield _Problem(_CLOUD_INIT[cloud_init], _ANOTHER)
    if needs.provider and needs.provider not in image.get("providers", [needs.provider]):
        providers = ", ".join(image["providers"])
        yield _Problem(f"it is not for the provider {needs.provider}", f"Use the provider {providers}, or set box.")
    yield from _firmware_problems(image, needs)
    yield from _hardware_problems(image, needs)
    yield from _format_problems(image, needs)


def _firmware_problems(image, needs):
    firmware = image.get("firmware")
    if needs.firmware and firmware and needs.firmware not in firmware:
        (only,) = firmware
        yield _Problem(
            f"it does not boot with firmware {needs.firmware}", f"Set firmware: {only}, or use another image."
        )


def _hardware_problems(image, needs):
    missing = [device for device in needs.devices if device in image.get("missing_drivers", ())]
    if missing:
        yield _Problem(f"it has no driver for {', '.join(missing)}", "Set another model, such as virtio.")
    if needs.cpu and image.get("cpu") and _level(image["cpu"]) > _level(needs.cpu):
        yield _Problem(
            f"it needs a CPU of level {image['cpu']}, but the VM has {needs.cpu}",
            "Use another host or CPU model, or an older release.",
        )
    if needs.serial_console and not image.get("serial_console"):
        yield _Problem(f"it has no serial console, which is the only one on {needs.platform}", _ANOTHER)


#: What each level adds to the one before, as Linux lists it. Source: the psABI of x86-64, table 3.1.
_LEVELS = (
    ("cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"),
    ("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"),
    ("avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"),
)


def level_of(flags):
    """Return the level of a CPU with these features, such as x86-64-v3; None if they are unknown."""
    if not flags:
        return None
    missing = (number for number, needed in enumerate(_LEVELS, 1) if not set(needed) <= set(flags))
    return f"x86-64-v{next(missing, len(_LEVELS) + 1)}"


def _level(cpu):
    """The number of x86-64-v3; 0 if the text has none."""
    level = re.search(r"v([0-9]+)$", cpu)
    return int(level[1]) if level else 0


def _format_problems(image, needs):
    missing = [tool for tool in _unpackers(image) if tool not in needs.decompressors]
    if missing:
        remedy = " ".join(_install(tool, needs) for tool in missing)
        yield _Problem(f"it is compressed ({image['compression']})", remedy)
    if image["format"] not in needs.formats and _converter(image, needs) is None:
        tools = _install(QEMU_IMG.tool, needs)
        remedy = tools if image["format"] in _DISK_FORMATS else needs.alternative or _ANOTHER
        yield _Problem(f"its format {image['format']} cannot be read on {needs.platform}", remedy)


def _install(tool, needs):
    return f"Install {tool}{needs.where} (package {_PACKAGES[tool]})."


# What fits ------------------------------------------------------------------------------------------------------------


def _choice(medium, needs):
    image = medium["image"]
    chain = [
        Step("extract", image["member"], tool) if tool == "tar" else Step("decompress", tool, tool)
        for tool in _unpackers(image)
    ]
    if image["format"] in needs.formats:
        return Choice(medium, tuple(chain), image["format"])
    target = _target(needs)
    return Choice(medium, (*chain, Step("convert", target, _converter(image, needs).tool)), target)


def _unpackers(image):
    """The tools that unpack an image, in their order: tar.xz is decompressed first."""
    return [*reversed(image["compression"].split("."))] if image.get("compression") else []


def _converter(image, needs):
    """The first converter that writes the target from this format, or None."""
    target = _target(needs)
    return next((one for one in needs.converters if image["format"] in one.reads and target in one.writes), None)


def _target(needs):
    return needs.target or needs.formats[0]


def _rank(choice, needs):
    is_converted = bool(choice.chain) and choice.chain[-1].verb == "convert"
    return is_converted, 0 if is_converted else needs.formats.index(choice.format)
