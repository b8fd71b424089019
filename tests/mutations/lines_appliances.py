# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the slots of images, and of appliances."""

from __future__ import annotations

from mutations.mutation import Mutation

_CONTENTS, _CREATE = "_core/planner/contents.py", "_core/planner/plan_create.py"
_SLOT = ["tests/unit/module_utils/_core/planner/test_image_slot.py"]
_MEDIA, _TESTS = "_media/appliances", "tests/unit/module_utils/_media"
_APPLIANCE = [
    f"{_TESTS}/test_{name}.py" for name in ("appliances", "descriptors", "appliance_archives", "compressed_appliances")
]
_ADDRESS = [f"{_TESTS}/test_appliance_address.py"]
_PUBLISHED = ["tests/unit/module_utils/_media/test_address_queries.py"]
_CHANGED = ["tests/platforms/hyperv/test_appliances_changed.py"]
_PLANNED = ["tests/unit/module_utils/_core/planner/test_appliance.py"]
_KILLED = ["tests/unit/module_utils/_drivers/vbox/test_killed.py"]
_PROXMOX, _UPLOADED = "_drivers/proxmox", ["tests/unit/module_utils/_drivers/proxmox/test_appliances.py"]

_HYPERV, _COPIED = "_drivers/hyperv/appliances.py", ["tests/platforms/hyperv/test_appliances.py"]
_INTERRUPTED = ["tests/platforms/hyperv/test_appliances_interrupted.py"]

MUTATIONS = (
    Mutation(
        "descriptor-is-unproven-if-the-disks-are-stored",
        _CREATE,
        '(request.creation.get("appliance") or {}).get("fetch")',
        "None",
        [*_CHANGED, *_ADDRESS],
    ),
    Mutation(
        "only-the-first-piece-has-a-version",
        f"{_MEDIA}/disk.py",
        "dict.fromkeys(paths)",
        "list(dict.fromkeys(paths))[:1]",
        _CHANGED,
    ),
    Mutation(
        "everybody-can-read-an-unpacked-disk",
        "_ports/partial_files.py",
        "os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)",
        "os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)",
        _APPLIANCE,
    ),
    Mutation(
        "everybody-can-read-a-protected-appliance",
        f"{_MEDIA}/address.py",
        "download.shown(address) == address",
        "True",
        _ADDRESS,
    ),
    Mutation(
        "beginning-of-a-checksum-is-enough",
        "_media/store.py",
        "stored and None not in (stored.digest, wanted.digest) and stored.digest != wanted.digest",
        "False",
        [*_ADDRESS, *_PUBLISHED],
    ),
    Mutation(
        "query-of-an-address-is-recorded",
        "_core/texts.py",
        "match = _QUERY.fullmatch(address)",
        "match = None",
        [*_ADDRESS, *_PUBLISHED],
    ),
    Mutation(
        "query-of-an-address-is-not-compared",
        "_core/texts.py",
        'sha256(match[2].encode("utf-8", "surrogateescape")).hexdigest()[:12]',
        '"0" * 12',
        _PUBLISHED,
    ),
    Mutation(
        "query-of-an-earlier-record-is-shown",
        "_core/record/mark.py",
        'without_secrets(inputs["image"])',
        'inputs["image"]',
        ["tests/unit/module_utils/_core/results/test_results.py"],
    ),
    Mutation(
        "any-digit-is-the-size-of-a-file",
        "_ports/download.py",
        "len(text) < _MOST_DIGITS and text.isascii() and text.isdigit()",
        "text.isdigit()",
        _ADDRESS,
    ),
    Mutation("versions-of-a-copied-disk-are-alike", _HYPERV, "digest_of_disk(image)", 'image["source"]', _COPIED),
    Mutation(
        "disk-of-a-replaced-appliance-is-kept",
        _HYPERV,
        "self.version not in (None, version_of(paths_of(image)))",
        "False",
        _INTERRUPTED,
    ),
    Mutation(
        "private-appliance-becomes-readable",
        _HYPERV,
        "all(map(may_everybody_read, paths_of(image)))",
        "True",
        _COPIED,
    ),
    Mutation(
        "changed-copy-of-a-disk-is-used",
        "_media/by_controller.py",
        "self.store.checked(wanted, about)",
        "self.store.stored_as(wanted)",
        _COPIED,
    ),
    Mutation(
        "upload-of-an-appliance-remains",
        f"{_PROXMOX}/appliances.py",
        "volume in store.volumes()",
        "False",
        _UPLOADED,
    ),
    Mutation(
        "versions-of-an-appliance-are-mixed",
        f"{_PROXMOX}/create.py",
        "marks.digest_of_disk(disk)",
        "None",
        _UPLOADED,
    ),
    Mutation(
        "compressed-archive-may-unpack-without-end",
        f"{_MEDIA}/packed.py",
        "left < 0",
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "members-of-a-gzip-file-are-ignored",
        f"{_MEDIA}/packed.py",
        "data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail",
        "data = unpacker.unconsumed_tail",
        _APPLIANCE,
    ),
    Mutation(
        "download-may-differ-from-what-was-read",
        f"{_MEDIA}/address.py",
        "_digest(files.read_part(path, offset, size)) != digest",
        "False",
        _ADDRESS,
    ),
    Mutation(
        "stored-appliance-may-have-changed",
        f"{_MEDIA}/address.py",
        "images.store.checked(wanted, option)",
        "images.store.stored_as(wanted)",
        _ADDRESS,
    ),
    Mutation(
        "address-needs-no-checksum",
        "_core/options/request.py",
        '"://" in source and not creation["appliance"].get("checksum")',
        "False",
        _ADDRESS,
    ),
    Mutation(
        "replaced-appliance-has-the-former-checksum",
        f"{_MEDIA}/container.py",
        "tuple(files.version(part.path) or ())",
        "()",
        _APPLIANCE,
    ),
    Mutation(
        "slots-are-checked-before-the-firmware-is-known",
        _CONTENTS,
        'appliance and "disks" not in appliance',
        "False",
        _PLANNED,
    ),
    Mutation("slot-of-an-image-has-no-effect", _CONTENTS, 'image.get("slot") or first', "first", _SLOT),
    Mutation(
        "entry-without-a-slot-is-a-second-disk",
        _CONTENTS,
        "listed.get(traits.slot_meant(slot)) or next(unnamed, None)",
        "listed.get(traits.slot_meant(slot))",
        _SLOT,
    ),
    Mutation(
        "slot-of-an-image-is-the-users-text",
        _CONTENTS,
        '{**image, "slot": traits.slot_meant(image["slot"])}',
        "image",
        _SLOT,
    ),
    Mutation("disk-of-an-image-is-purged", _CREATE, "traits.slot_meant(slot) if slot else None", "None", _SLOT),
    Mutation(
        "document-type-is-read",
        f"{_MEDIA}/envelope.py",
        '"<!DOCTYPE" in text or "<!ENTITY" in text',
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "unknown-requirement-is-ignored",
        f"{_MEDIA}/envelope.py",
        'attribute(one, "required") == "true" and kind(one) not in _KNOWN',
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "disk-of-an-appliance-may-name-files",
        f"{_MEDIA}/lookup.py",
        "foreign_image.named_in(begin, image_format, end)",
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "link-of-an-appliance-leads-anywhere",
        f"{_MEDIA}/container.py",
        "os.path.commonpath([folder, path]) != folder",
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "manifest-is-not-compared",
        f"{_MEDIA}/container.py",
        "digest_of(part, algorithm) != digits",
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "manifest-is-compared-by-names",
        f"{_MEDIA}/container.py",
        "part not in wanted",
        "name not in (descriptor, *parts)",
        _APPLIANCE,
    ),
    Mutation(
        "file-that-a-manifest-lacks-is-verified",
        f"{_MEDIA}/container.py",
        "list(unverified)",
        "[] if container.manifest() else list(unverified)",
        _APPLIANCE,
    ),
    Mutation(
        "header-of-an-archive-has-any-size",
        f"{_MEDIA}/container.py",
        "header.type in _EXTENSIONS and header.size > _LARGEST_HEADER",
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "sparse-file-of-gnu-is-read",
        f"{_MEDIA}/container.py",
        "header.type == tarfile.GNUTYPE_SPARSE",
        "False",
        _APPLIANCE,
    ),
    Mutation("utf-16-hides-entities", f"{_MEDIA}/envelope.py", r'"\0" in text', "False", _APPLIANCE),
    Mutation(
        "disk-is-any-part-of-its-archive",
        "_core/record/mark.py",
        '(image["source"], image.get("digest"), image.get("part"), image.get("packed"))',
        '(image["source"], image.get("digest"))',
        _KILLED,
    ),
    Mutation(
        "disk-of-another-slot-is-kept",
        "_drivers/vbox/create.py",
        'vm.mark["inputs"].get(slot) == inputs',
        'inputs in vm.mark["inputs"].values()',
        _KILLED,
    ),
    Mutation(
        "disk-that-is-removed-can-be-attached-again",
        "_drivers/vbox/create.py",
        '[one for one in vm.mark["disks"] if one != uuid]',
        'vm.mark["disks"]',
        _KILLED,
    ),
    Mutation(
        "disks-of-an-interrupted-task-remain",
        "_drivers/vbox/create.py",
        'set(vm.mark["inputs"]).difference(contents).intersection(vm.config["disks"])',
        "()",
        _KILLED,
    ),
    Mutation(
        "disks-are-in-the-order-of-the-descriptor",
        f"{_MEDIA}/descriptor.py",
        'order.get(one.get("Parent"), len(order)), _address(one)',
        "0, 0",
        _APPLIANCE,
    ),
    Mutation(
        "all-configurations-at-once",
        f"{_MEDIA}/descriptor.py",
        "names and self.chosen not in names",
        "False",
        _APPLIANCE,
    ),
    Mutation("compressed-disk-unpacks-to-any-size", f"{_MEDIA}/packed.py", "found > most", "False", _APPLIANCE),
    Mutation(
        "gap-between-pieces-is-ignored",
        f"{_MEDIA}/container.py",
        'is_cut or self.part(f"{file.href}.{len(found) + 1:09}")',
        "False",
        _APPLIANCE,
    ),
    Mutation("license-is-accepted", f"{_MEDIA}/defaults.py", "system.license and not is_accepted", "False", _APPLIANCE),
    Mutation(
        "unmapped-network-is-ignored",
        f"{_MEDIA}/defaults.py",
        "[name for name in names if name not in networks]",
        "[]",
        _APPLIANCE,
    ),
    Mutation(
        "appliance-is-created-again",
        _CREATE,
        '"what the appliance says would replace settings that were changed since"',
        '""',
        _PLANNED,
    ),
    Mutation(
        "approval-of-any-appliance",
        "_core/results/plan_content.py",
        '{**disk, "fetch": None}',
        "{}",
        _PLANNED,
    ),
)
