# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of images on Hyper-V share: a task that names an image, and the files of the host."""

from __future__ import annotations

FOLDER = "C:\\ProgramData\\polyvirt\\images"
#: Small pieces: the converted image has several.
PIECE = 3 << 20


def vm_task(world, name="web", **more):
    return {"name": [name], "memory": "1G", "image": world.vendor.image(), **more}


def images_of(host):
    return sorted(path for path in host.files.contents if path.startswith(FOLDER.lower()))


def steps_of(result, name="web"):
    return [step["verb"] for vm in result["vms"] if vm["name"] == name for step in vm["steps"]]


def stored_in(world):
    path = f"{FOLDER}\\tests-1-{world.vendor.digest[:12]}.vhdx".lower()
    return [path, f"{path}.json"]
