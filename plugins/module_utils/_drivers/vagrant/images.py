# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: the box of an image: named by the task, that of the catalogue for the VM's provider, or a box file.

Vagrant itself downloads a box file, and verifies its checksum. This file only finds out address and checksum. The box
gets a name with the first digits of the checksum, because Vagrant takes another file of the same name for the same box.
"""

from __future__ import annotations

import os
import re

from ..._core.errors import InvalidInput, Refused
from ..._core.frozen import replace
from ..._core.options.image_names import NAME, PATH, REGISTRY, URL, names_of, read_image
from ..._core.record.mark import name_of_image
from ..._core.sharing.file_checks import missing
from ..._core.texts import without_credentials
from ..._media.choose import BOX, Needs, resolve
from ..._media.download import SECONDS_WITHOUT_ANSWER, Line, of_vendor
from ..._media.names import base_of, created_from, media_of, parts_of
from ..._media.store import DIGITS, plain_name
from ..._ports import files, host
from ..._ports.clock import today

_ENDING = ".box"


def resolved(driver, request):
    """Return the request with the box of its image, as if the task had set ``box``, and of a file its address."""
    provider = driver.provider_of(request)
    needs = Needs(
        platform="Vagrant",
        architecture=request.config.get("architecture") or host.architecture(),
        formats=("box",),
        kind=BOX,
        provider=provider,
        alternative="Set box, box_url and box_checksum.",
    )
    asked, option = request.creation["image"], f"{request.label}: image"
    name, medium = name_of_image(asked), None
    form, value = read_image(asked["source"], (REGISTRY,), option, names_of(asked))
    about = f"{option}: {name}"
    if form == NAME:
        medium = resolve(media_of(asked), needs, f"{option}: {value}").medium
    elif form in (URL, PATH):
        medium = _medium_of_file(asked["source"], form, about)
    if medium and medium.get("file"):
        settings, recorded, warnings = _of_file(driver.project.home, asked, medium, provider, about)
    else:
        settings, recorded, warnings = {"box": medium["image"]["box"] if medium else asked["source"]}, {}, []
        _check_no_checksum(asked, about)
    _check_settings(request, asked["source"], settings)
    known = (asked.get("catalogue") or {}).get("warnings", ())
    more = {**recorded, "name": name, "warnings": [*known, *warnings]}
    return created_from(replace(request, config={**request.config, **settings}), settings["box"], **more)


def _check_no_checksum(asked, about):
    if asked.get("checksum"):
        raise InvalidInput(
            f"{about}: image.checksum is of a box file, and this is a box of a registry.", "Set box_checksum."
        )


def _check_settings(request, source, settings):
    for option, value in settings.items():
        other = request.config.get(option)
        if other not in (None, value):
            raise InvalidInput(
                f"{request.label}: image: {source}: its {option} is {value}, and the task sets {option}: {other}.",
                "Set only one of them.",
            )


# Box files ------------------------------------------------------------------------------------------------------------


def _medium_of_file(source, form, about):
    """Return the medium that the address or path of a box file is, in the form of the catalogue."""
    base, file = parts_of(source)
    if not file.lower().endswith(_ENDING):
        raise InvalidInput(f"{about}: {file or 'it'} is not a box file.", f"Set one whose name ends in {_ENDING}.")
    if form == PATH and not files.is_file(source):
        raise missing(about, "on the host of the task")
    if form == URL and without_credentials(source) != source:
        raise Refused(
            f"{about}: its address contains a password, which the description of the VM would show.",
            "Download it yourself, and set its path.",
        )
    return {"file": file, "bases": [base], "address": source}


def _of_file(home, asked, medium, provider, about):
    """Return ({option: value}, what is recorded of the image, warnings) for a box file."""
    base = medium["file"].removesuffix(_ENDING) if medium.get("address") else _base_of(asked["source"], medium)
    base = plain_name(base)
    added = _added(home, base, provider) if not (asked.get("checksum") or medium.get("address")) else []
    if len(added) == 1:
        # A second VM of this name needs no request.
        return {"box": added[0]}, {}, []
    line = Line(SECONDS_WITHOUT_ANSWER)
    found, warnings = of_vendor(asked, medium, line, about)
    checksum = {"box_checksum": found.digest} if found.digest else {}
    settings = {"box": f"{base}-{found.digits[:DIGITS]}", "box_url": found.url, **checksum}
    return settings, {"digest": found.digest, "fetched": today().isoformat()}, warnings


def _base_of(name, medium):
    """A name of the catalogue, which is that of several boxes: one of each architecture."""
    base, architecture = base_of(name), medium.get("architecture", "amd64")
    return base if architecture == "amd64" else f"{base}.{architecture}"


def _added(home, base, provider):
    """Return the boxes of the user that come from a box file of this name, and are for the provider."""
    folder, of_file = os.path.join(home, "boxes"), re.compile(rf"{re.escape(base)}-[0-9a-f]{{{DIGITS}}}")
    boxes = [name for name in files.entries(folder) if of_file.fullmatch(name)]
    return [one for one in boxes if _is_for(os.path.join(folder, one), provider)]


def _is_for(folder, provider):
    return any(files.is_folder(os.path.join(folder, version, provider)) for version in files.entries(folder))
