# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the table of the guide that shows which medium of an image a VM gets, for each platform and architecture."""

from __future__ import annotations

#: How the remedy of a rejection begins, and the word for it in the table. The guide explains the words.
ALTERNATIVES = {
    "Install it with the role": "installer",
    "Set box": "box",
    "Use the provider": "box",
    "Set the path of an archive": "archive",
    "Set the path or the address": "path",
}
_ARCHITECTURES = ("amd64", "arm64")


def image_lines(entries, needs_of_platforms, media_for, resolve, refused):
    """Return the table; ``entries`` are those of the catalogue, in their order.

    ``media_for`` returns the media of an entry that a platform may choose from. ``needs_of_platforms`` is {platform:
    {architecture: needs of a VM with each provider}}. ``refused`` is the exception that ``resolve`` raises.
    """
    platforms = list(needs_of_platforms)
    lines = [f"| image | architecture | {' | '.join(platforms)} |", f"|---|---|{'---|' * len(platforms)}"]
    for entry in entries:
        for architecture in _ARCHITECTURES:
            cells = [
                image_cell(
                    media_for(entry, platform), needs_of_platforms[platform].get(architecture, ()), resolve, refused
                )
                for platform in platforms
            ]
            lines.append(f"| `{entry['name']}` | {architecture} | {' | '.join(cells)} |")
    return lines


def image_cell(media, needs_of_providers, resolve, refused):
    """Return what a VM gets; with providers that get different boxes, what each of them gets."""
    found = {needs.provider: _one(media, needs, resolve, refused) for needs in needs_of_providers}
    if len({*found.values()}) < 2:
        return next(iter(found.values()), "–")
    return ", ".join(f"{provider}: {text}" for provider, text in found.items())


def _one(media, needs, resolve, refused):
    try:
        choice = resolve(media, needs, "")
    except refused as error:
        return f"– ({_alternative(error.remedy)})"
    image = choice.medium["image"]
    if image["format"] == "online":
        return f"`{image['online_name']}`"
    if image["format"] in ("box", "wsl"):
        return f"file `.{image['format']}`" if "file" in choice.medium else f"`{image['box']}`"
    packed = f".{image['compression']}" if image.get("compression") else ""
    converted = "".join(f" → {step.what}" for step in choice.chain if step.verb == "convert")
    return f"{image['format']}{packed}{converted}"


def _alternative(remedy):
    published = "It is published for "
    if remedy.startswith(published):
        return f"{remedy.removeprefix(published).rstrip('.')} only"
    return next(word for beginning, word in ALTERNATIVES.items() if remedy.startswith(beginning))
