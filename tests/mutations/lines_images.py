# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what an image is: names, media, and the catalogue."""

from __future__ import annotations

from mutations.mutation import Mutation

_NAMES = ["tests/unit/module_utils/_core/options/test_image_names.py"]
_RESOLVE = ["tests/unit/module_utils/_media/test_resolve.py"]
_NAMES_FILE, _RESOLVE_FILE = "_core/options/image_names.py", "_media/choose.py"

_TASKS, _TASKS_FILE = ["tests/unit/module_utils/_media/test_store_tasks.py"], "_media/store_tasks.py"
_CATALOGUE = ["tests/unit/lookup/test_distribution.py"]
_CATALOGUE_MEDIA = "plugins/plugin_utils/installs/catalogue_media.py"
_SIGNATURES = ["tests/unit/module_utils/_media/test_signatures.py"]

_HYPERV = ["tests/platforms/hyperv/test_image_modules.py"]
_HYPERV_STORE, _HYPERV_CLAIMS = "_media/windows/store.py", "_drivers/hyperv/claims.py"
_PROXMOX = ["tests/unit/module_utils/_drivers/proxmox/test_store.py"]
_PROXMOX_STORE, _PROXMOX_IMAGES = "_drivers/proxmox/store.py", "_drivers/proxmox/images.py"
_ACTION, _ACTION_FILE = ["tests/unit/plugin_utils/test_of_images.py"], "plugins/plugin_utils/tasks/of_images.py"

_STORED = ["tests/unit/module_utils/_media/test_images.py"]
_STORE, _IMAGES, _FETCHING = "_media/store.py", "_media/images.py", "_media/download.py"

MUTATIONS = (
    Mutation(
        "required-signature-only-warns",
        "_media/download.py",
        '"signature" in medium.get("unverified", ()) and not is_required',
        '"signature" in medium.get("unverified", ())',
        _SIGNATURES,
    ),
    Mutation(
        "any-unverified-fact-excuses-the-signature",
        "_media/download.py",
        '"signature" in medium.get("unverified", ()) and _1',
        'medium.get("unverified", ()) and _1',
        _SIGNATURES,
    ),
    Mutation(
        "drive-letter-is-a-storage",
        _NAMES_FILE,
        'Pattern(r"/.*|[A-Za-z]:.+|\\\\\\\\.+", re.DOTALL)',
        'Pattern(r"/.*|\\\\\\\\.+", re.DOTALL)',
        _NAMES,
    ),
    Mutation("foreign-form-is-accepted", _NAMES_FILE, "form in (PATH, URL) or form in forms", "form != NAME", _NAMES),
    Mutation(
        "catalogue-wins-over-exact-online-name",
        _NAMES_FILE,
        "ONLINE in forms and text in (online_names or ())",
        "False",
        _NAMES,
    ),
    Mutation(
        "file-name-passes-for-a-name", _NAMES_FILE, "form != NAME or _RELATIVE.search(text)", "form != NAME", _NAMES
    ),
    Mutation("unknown-name-passes", _NAMES_FILE, "names is None or text.lower() in known", "True", _NAMES),
    Mutation(
        "unknown-online-list-rejects-its-names",
        _NAMES_FILE,
        "online_names is None or text.lower() in online",
        "text.lower() in online",
        _NAMES,
    ),
    Mutation(
        "medium-of-another-architecture",
        _RESOLVE_FILE,
        "[one for one in of_kind if _architecture(one) == needs.architecture]",
        "of_kind",
        _RESOLVE,
    ),
    Mutation("installer-passes-for-an-image", _RESOLVE_FILE, 'one["type"] == needs.kind', "True", _RESOLVE),
    Mutation("image-for-azure-is-used", _RESOLVE_FILE, "cloud_init in _CLOUD_INIT", "False", _RESOLVE),
    Mutation(
        "box-of-another-provider",
        _RESOLVE_FILE,
        'needs.provider and needs.provider not in image.get("providers", [needs.provider])',
        "False",
        _RESOLVE,
    ),
    Mutation(
        "firmware-does-not-count",
        _RESOLVE_FILE,
        "needs.firmware and firmware and needs.firmware not in firmware",
        "False",
        _RESOLVE,
    ),
    Mutation(
        "missing-driver-does-not-count", _RESOLVE_FILE, 'device in image.get("missing_drivers", ())', "False", _RESOLVE
    ),
    Mutation(
        "cpu-level-must-be-exceeded",
        _RESOLVE_FILE,
        '_level(image["cpu"]) > _level(needs.cpu)',
        '_level(image["cpu"]) >= _level(needs.cpu)',
        _RESOLVE,
    ),
    Mutation(
        "vm-without-any-console",
        _RESOLVE_FILE,
        'needs.serial_console and not image.get("serial_console")',
        "False",
        _RESOLVE,
    ),
    Mutation(
        "compressed-image-cannot-be-unpacked", _RESOLVE_FILE, "tool not in needs.decompressors", "False", _RESOLVE
    ),
    Mutation(
        "archive-is-extracted-before-it-is-decompressed",
        _RESOLVE_FILE,
        '[*reversed(image["compression"].split("."))]',
        'image["compression"].split(".")',
        _RESOLVE,
    ),
    Mutation(
        "converter-that-cannot-read-is-used", _RESOLVE_FILE, 'image["format"] in one.reads and _1', "_1", _RESOLVE
    ),
    Mutation("target-of-the-conversion-is-ignored", _RESOLVE_FILE, "needs.target or _1", "_1", _RESOLVE),
    Mutation(
        "conversion-is-preferred",
        _RESOLVE_FILE,
        "return is_converted, _1",
        "return not is_converted, _1",
        _RESOLVE,
    ),
    Mutation(
        "better-format-is-ignored",
        _RESOLVE_FILE,
        "0 if is_converted else needs.formats.index(choice.format)",
        "0",
        _RESOLVE,
    ),
    Mutation(
        "installer-of-another-architecture-is-proposed",
        _RESOLVE_FILE,
        'one["type"] in _INSTALLERS and _architecture(one) == needs.architecture',
        'one["type"] in _INSTALLERS',
        _RESOLVE,
    ),
    Mutation(
        "medium-of-another-version",
        _CATALOGUE_MEDIA,
        "version not in _versions_of(medium, version, at)",
        "False",
        _CATALOGUE,
    ),
    Mutation(
        "arm64-image-for-bios",
        _CATALOGUE_MEDIA,
        'medium["type"] == "cloud" and medium["architecture"] == "arm64"',
        "False",
        _CATALOGUE,
    ),
    Mutation(
        "misspelt-unverified-fact-is-accepted",
        _CATALOGUE_MEDIA,
        'key not in medium and key not in medium.get("image", {})',
        "False",
        _CATALOGUE,
    ),
    Mutation(
        "limit-of-platforms-is-ignored",
        "plugins/plugin_utils/installs/catalogue.py",
        'entry.get("platforms") or image_needs.platforms_of(media)',
        "image_needs.platforms_of(media)",
        _CATALOGUE,
    ),
    Mutation(
        "platform-that-is-left-out-gets-an-image",
        "plugins/plugin_utils/installs/catalogue.py",
        'not (is_left_out and "image" in medium)',
        "True",
        _CATALOGUE,
    ),
    Mutation("image-of-another-name-is-removed", _TASKS_FILE, "one.name in names", "True", _TASKS),
    Mutation(
        "removal-reads-no-more-than-a-list",
        _TASKS_FILE,
        "Users(driver, stored, DELETE)",
        "Users(driver, stored, BASE)",
        _TASKS,
    ),
    Mutation("used-image-is-removed", _TASKS_FILE, "names = users.of(one.path)", "names = []", _TASKS),
    Mutation("unreadable-disk-permits-a-removal", _TASKS_FILE, "unreadable is not None", "False", _TASKS),
    Mutation("leftovers-alone-are-no-change", _TASKS_FILE, "bool(paths)", "bool(stored)", _TASKS),
    Mutation(
        "failure-hides-what-was-fetched-before",
        _TASKS_FILE,
        "if not done:\n    raise",
        "raise",
        _TASKS,
    ),
    Mutation(
        "running-download-is-a-leftover",
        "_media/store.py",
        "partial_files.held_file(part) if files.exists(part) else nullcontext(True)",
        "nullcontext(True)",
        _TASKS,
    ),
    Mutation(
        "image-that-was-stored-meanwhile-is-rejected",
        "_media/store.py::found_or_free",
        "if not found:\n    raise",
        "raise",
        [
            "tests/unit/module_utils/_media/test_stored_content.py"
            "::test_image_that_another_task_stores_after_this_one_has_looked_is_used"
        ],
    ),
    Mutation("unpacked-leftover-is-kept", "_media/store.py", "'([.].+[.]part)([.].+)?'", "'([.].+[.]part)()'", _TASKS),
    Mutation(
        "address-is-looked-up-in-the-catalogue",
        "plugins/plugin_utils/tasks/image_names.py::with_catalogue_of_names",
        "{name: catalogue(name) for name in named if _may_be_name(name)}",
        "{name: catalogue(name) for name in named}",
        ["tests/unit/plugin_utils/test_in_process.py"],
    ),
    Mutation(
        "option-of-another-platform-is-ignored",
        "_front/image_store.py",
        "name in given and name not in keeper.connection",
        "False",
        ["tests/unit/modules/test_image.py"],
    ),
    # The modules image and image_info on Hyper-V and Proxmox VE.
    Mutation(
        "copy-that-a-task-makes-is-removed",
        "_media/windows/copy.py",
        "is_unlocked(self._part_of(path))",
        "True",
        [f"{_HYPERV[0]}::test_copy_that_a_task_of_this_controller_makes_is_kept"],
    ),
    Mutation(
        "file-of-others-is-an-unfinished-copy",
        _HYPERV_STORE,
        "found and found[1]",
        "name.endswith('.part') and name",
        [f"{_HYPERV[0]}::test_absent_removes_the_image_and_what_interrupted_copies_have_left"],
    ),
    Mutation(
        "record-is-removed-before-its-image",
        _HYPERV_STORE,
        "[one.path, one.path + RECORD]",
        "[one.path + RECORD, one.path]",
        [f"{_HYPERV[0]}::test_image_that_cannot_be_removed_keeps_its_record"],
    ),
    Mutation(
        "copy-in-use-fails-the-removal",
        _HYPERV_STORE,
        "not is_in_use",
        "True",
        [f"{_HYPERV[0]}::test_leftover_that_something_has_open_is_kept"],
    ),
    Mutation(
        "image-in-use-passes-for-removed",
        _HYPERV_STORE,
        "chain.name in leftovers",
        "True",
        [f"{_HYPERV[0]}::test_image_that_cannot_be_removed_keeps_its_record"],
    ),
    Mutation(
        "unreadable-disk-permits-a-removal-on-hyper-v",
        _HYPERV_CLAIMS,
        "key_of(last) not in found.disks",
        "False",
        [f"{_HYPERV[0]}::test_disk_that_cannot_be_read_keeps_all_images"],
    ),
    Mutation(
        "unreadable-disk-keeps-vms",
        _HYPERV_CLAIMS,
        'any(claim.mode == DELETE and claim.option == "image" for claim in wanted)',
        "True",
        [f"{_HYPERV[0]}::test_disk_that_cannot_be_read_keeps_all_images"],
    ),
    Mutation(
        "node-of-separate-storages-is-chosen",
        _PROXMOX_STORE,
        "len(names) > 1 or not resources.is_shared(*names)",
        "len(names) > 1",
        _PROXMOX,
    ),
    Mutation(
        "shared-storage-needs-a-node",
        _PROXMOX_STORE,
        "len(names) > 1 or not resources.is_shared(*names)",
        "True",
        _PROXMOX,
    ),
    Mutation("node-auto-is-a-name", _PROXMOX_STORE, "requested not in (None, AUTO)", "requested is not None", _PROXMOX),
    Mutation("any-volume-is-an-image", _PROXMOX_STORE, "not found or entry is None", "entry is None", _PROXMOX),
    Mutation(
        "image-that-another-task-has-deleted-fails", _PROXMOX_STORE, "one.path in self.volumes()", "True", _PROXMOX
    ),
    Mutation("failed-deletion-is-ignored", _PROXMOX_STORE, "one.path in self.volumes()", "False", _PROXMOX),
    Mutation(
        "download-without-a-privilege-is-predicted",
        _PROXMOX_IMAGES,
        "self._driver.permissions.check_upload(about, self.store.name, downloading)",
        "pass",
        _PROXMOX,
    ),
    Mutation(
        "privilege-is-needed-to-remove-nothing", _PROXMOX_IMAGES, "if stored:\n    ...", "if True:\n    ...", _PROXMOX
    ),
    Mutation(
        "digest-of-the-task-is-forgotten",
        _TASKS_FILE,
        "replace(_1, name=image['name'], digest=image['digest'])",
        "replace(_1, name=image['name'])",
        _PROXMOX,
    ),
    Mutation(
        "options-of-vms-reach-the-module-image",
        _ACTION_FILE,
        "{name: value for name, value in defaults.items() if name in self.module.options}",
        "defaults",
        _ACTION,
    ),
    Mutation(
        "cluster-gets-a-directory",
        _ACTION_FILE,
        "self._task.args.get('platform') in _WITHOUT_DIRECTORY",
        "False",
        _ACTION,
    ),
    # The store, and what is asked of a vendor's server.
    Mutation(
        "image-of-another-name-is-used",
        _STORE,
        "all(getattr(self, key) == getattr(other, key) for key in _ASKED)",
        "True",
        _STORED,
    ),
    Mutation("truncated-image-is-complete", _STORE, "files.size(path) == stored.file_size", "True", _STORED),
    Mutation("file-of-others-is-an-image", _STORE, "files.exists(path)", "False", _STORED),
    Mutation(
        "stored-image-is-asked-for-again",
        _IMAGES,
        'None if asked.get("refresh") else self.store.find(wanted)',
        "None",
        _STORED,
    ),
    Mutation(
        "refresh-takes-the-stored-image",
        _IMAGES,
        'None if asked.get("refresh") else self.store.find(wanted)',
        "self.store.find(wanted)",
        _STORED,
    ),
    Mutation("each-vm-asks-the-vendor", _IMAGES, "key not in self._found", "True", _STORED),
    Mutation("space-of-the-store-is-not-checked", _STORE, "needed > free", "False", _STORED),
    Mutation("page-is-an-image", _IMAGES, "kind not in names", "False", _STORED),
    Mutation("image-with-a-backing-file-is-stored", _IMAGES, "foreign_image.named_in(content, kind)", "False", _STORED),
    Mutation(
        "download-without-checksum-is-resumed", _FETCHING, "not is_resumed and files.exists(part)", "False", _STORED
    ),
    Mutation("wrong-checksum-is-kept", _FETCHING, "digits != found.checksum.digits", "False", _STORED),
    Mutation(
        "shortest-mirror-counts",
        "_media/names.py",
        'max((one for one in mirrors if address.startswith(one)), key=len, default="")',
        'min((one for one in mirrors if address.startswith(one)), key=len, default="")',
        _STORED,
    ),
)
