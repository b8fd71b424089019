# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what VMs share: each kind of claim dropped, each exclusion inverted, the order reversed."""

from __future__ import annotations

from mutations.mutation import Mutation

_CODE = "plugins/module_utils"
_CLAIMS, _WORLD = f"{_CODE}/_lifecycle/claims.py", f"{_CODE}/_lifecycle/world.py"
_ARRANGE, _ORDER = f"{_CODE}/_engine/arrange.py", f"{_CODE}/_engine/order.py"
_TESTS = "tests/unit/module_utils"
_FIRST = {
    "unit": [
        f"{_TESTS}/_lifecycle/test_world.py",
        f"{_TESTS}/_lifecycle/test_claims.py",
        f"{_TESTS}/_lifecycle/test_claims_identity.py",
        f"{_TESTS}/_engine/test_arrange.py",
    ]
}

MUTATIONS = (
    Mutation(
        "one-disk-for-two-vms",
        _WORLD,
        "(WRITE, WRITE): _added, (WRITE, SHARED): _added, (WRITE, READ): _both_on, (WRITE, BASE): _always,",
        "(WRITE, SHARED): _added, (WRITE, READ): _both_on, (WRITE, BASE): _always,",
        _FIRST,
    ),
    Mutation(
        "disk-that-is-shared-elsewhere",
        _WORLD,
        "(WRITE, WRITE): _added, (WRITE, SHARED): _added, (WRITE, READ): _both_on, (WRITE, BASE): _always,",
        "(WRITE, WRITE): _added, (WRITE, READ): _both_on, (WRITE, BASE): _always,",
        _FIRST,
    ),
    Mutation(
        "disk-that-another-vm-reads",
        _WORLD,
        "(WRITE, WRITE): _added, (WRITE, SHARED): _added, (WRITE, READ): _both_on, (WRITE, BASE): _always,",
        "(WRITE, WRITE): _added, (WRITE, SHARED): _added, (WRITE, BASE): _always,",
        _FIRST,
    ),
    Mutation(
        "base-is-written",
        _WORLD,
        "(WRITE, WRITE): _added, (WRITE, SHARED): _added, (WRITE, READ): _both_on, (WRITE, BASE): _always,",
        "(WRITE, WRITE): _added, (WRITE, SHARED): _added, (WRITE, READ): _both_on,",
        _FIRST,
    ),
    Mutation(
        "shared-disk-that-is-written",
        _WORLD,
        "(SHARED, WRITE): _added, (SHARED, BASE): _always,",
        "(SHARED, BASE): _always,",
        _FIRST,
    ),
    Mutation(
        "shared-base", _WORLD, "(SHARED, WRITE): _added, (SHARED, BASE): _always,", "(SHARED, WRITE): _added,", _FIRST
    ),
    Mutation("disk-that-is-written-is-read", _WORLD, "(READ, WRITE): _both_on,", "(READ, WRITE): _holder_on,", _FIRST),
    Mutation(
        "disk-that-is-written-is-a-base",
        _WORLD,
        "(BASE, WRITE): _not_its_source, (BASE, SHARED): _added,",
        "(BASE, SHARED): _added,",
        _FIRST,
    ),
    Mutation(
        "shared-disk-is-a-base",
        _WORLD,
        "(BASE, WRITE): _not_its_source, (BASE, SHARED): _added,",
        "(BASE, WRITE): _not_its_source,",
        _FIRST,
    ),
    Mutation(
        "disk-that-is-written-is-copied",
        _WORLD,
        "(COPY, WRITE): _not_its_source, (COPY, SHARED): _always,",
        "(COPY, SHARED): _always,",
        _FIRST,
    ),
    Mutation(
        "shared-disk-is-copied",
        _WORLD,
        "(COPY, WRITE): _not_its_source, (COPY, SHARED): _always,",
        "(COPY, WRITE): _not_its_source,",
        _FIRST,
    ),
    Mutation(
        "deletion-beside-an-unreadable-image",
        _WORLD,
        "(DELETE, UNREADABLE): _always, (MERGE, UNREADABLE): _always,",
        "(MERGE, UNREADABLE): _always,",
        _FIRST,
    ),
    Mutation(
        "merge-beside-an-unreadable-image",
        _WORLD,
        "(DELETE, UNREADABLE): _always, (MERGE, UNREADABLE): _always,",
        "(DELETE, UNREADABLE): _always,",
        _FIRST,
    ),
    Mutation(
        "base-grows",
        _WORLD,
        "(GROW, BASE): _always, (RESTORE, BASE): _always, (MERGE, BASE): _always, (SNAPSHOT, BASE): _holder_on,",
        "(RESTORE, BASE): _always, (MERGE, BASE): _always, (SNAPSHOT, BASE): _holder_on,",
        _FIRST,
    ),
    Mutation(
        "base-is-restored",
        _WORLD,
        "(GROW, BASE): _always, (RESTORE, BASE): _always, (MERGE, BASE): _always, (SNAPSHOT, BASE): _holder_on,",
        "(GROW, BASE): _always, (MERGE, BASE): _always, (SNAPSHOT, BASE): _holder_on,",
        _FIRST,
    ),
    Mutation(
        "snapshot-is-merged-into-a-base",
        _WORLD,
        "(GROW, BASE): _always, (RESTORE, BASE): _always, (MERGE, BASE): _always, (SNAPSHOT, BASE): _holder_on,",
        "(GROW, BASE): _always, (RESTORE, BASE): _always, (SNAPSHOT, BASE): _holder_on,",
        _FIRST,
    ),
    Mutation(
        "snapshot-in-a-base-in-use",
        _WORLD,
        "(GROW, BASE): _always, (RESTORE, BASE): _always, (MERGE, BASE): _always, (SNAPSHOT, BASE): _holder_on,",
        "(GROW, BASE): _always, (RESTORE, BASE): _always, (MERGE, BASE): _always,",
        _FIRST,
    ),
    Mutation("existing-conflict-starts", _WORLD, "return new.is_added or other.on", "return new.is_added", _FIRST),
    Mutation("existing-conflict-rejects-all", _WORLD, "return new.is_added or other.on", "return True", _FIRST),
    Mutation("reader-that-is-off-prevents", _WORLD, "return new.on and other.on", "return True", _FIRST),
    Mutation(
        "source-that-is-on-is-cloned",
        _WORLD,
        "return not is_source or (other.on and not new.claim.while_on)",
        "return not is_source",
        _FIRST,
    ),
    Mutation("clone-of-a-clone-does-not-start", _WORLD, "if not new.is_added:", "if False:", _FIRST),
    Mutation(
        "stored-port-counts",
        _WORLD,
        "both = new.power in _LISTENING and other.power in _LISTENING",
        "both = True",
        _FIRST,
    ),
    Mutation(
        "address-hides-a-port",
        _WORLD,
        "return (both or (claim.is_reserved and new.is_added)) and overlap(claim.where, held.where)",
        "return (both or (claim.is_reserved and new.is_added)) and claim.where == held.where",
        _FIRST,
    ),
    Mutation("existing-mac-rejects-all", _WORLD, "return new.is_added and same_place", "return same_place", _FIRST),
    Mutation(
        "mac-of-another-network",
        _WORLD,
        "same_place = claim.kind == NAME or (claim.where is not None and claim.where == held.where)",
        "same_place = True",
        _FIRST,
    ),
    Mutation("start-is-not-compared", _WORLD, "if is_started(before.power, after.power):", "if False:", _FIRST),
    Mutation(
        "one-file-for-two-slots",
        _WORLD,
        "found = own or self._with_deletion(one) or self._with_others(one, after.owner_id)",
        "found = self._with_deletion(one) or self._with_others(one, after.owner_id)",
        _FIRST,
    ),
    Mutation(
        "deleted-file-is-used",
        _WORLD,
        "found = own or self._with_deletion(one) or self._with_others(one, after.owner_id)",
        "found = own or self._with_others(one, after.owner_id)",
        _FIRST,
    ),
    Mutation(
        "other-vms-are-not-compared",
        _WORLD,
        "found = own or self._with_deletion(one) or self._with_others(one, after.owner_id)",
        "found = own or self._with_deletion(one)",
        _FIRST,
    ),
    Mutation(
        "what-is-held-counts-as-added",
        _WORLD,
        "(kept if known[claim.key] > 0 else added).append(claim)",
        "added.append(claim)",
        _FIRST,
    ),
    Mutation(
        "copies-wait-for-each-other",
        _WORLD,
        "is_read = claim.mode == COPY and new.claim.mode in _READING",
        "is_read = False",
        _FIRST,
    ),
    Mutation(
        "deletion-does-not-wait",
        _WORLD,
        "return new.claim.mode == DELETE or is_in_progress or excludes(new, claim, held)",
        "return is_in_progress or excludes(new, claim, held)",
        _FIRST,
    ),
    Mutation(
        "work-in-progress-is-not-waited-for",
        _WORLD,
        "return new.claim.mode == DELETE or is_in_progress or excludes(new, claim, held)",
        "return new.claim.mode == DELETE or excludes(new, claim, held)",
        _FIRST,
    ),
    Mutation(
        "next-user-does-not-wait",
        _WORLD,
        "return new.claim.mode == DELETE or is_in_progress or excludes(new, claim, held)",
        "return new.claim.mode == DELETE or is_in_progress",
        _FIRST,
    ),
    Mutation(
        "detached-file-is-overwritten",
        _WORLD,
        "return claim.kind != FILE and claim.key not in kept",
        "return claim.key not in kept",
        _FIRST,
    ),
    Mutation(
        "file-below-a-disk-is-free", _CLAIMS, "found += [(below, BASE) for below in self.chain(path)]", "pass", _FIRST
    ),
    Mutation(
        "mac-in-capitals-is-another-one",
        _CLAIMS,
        'found = [Claim(MAC, mac.lower(), "", option, mac, "mac", where)] if mac else []',
        'found = [Claim(MAC, mac, "", option, mac, "mac", where)] if mac else []',
        _FIRST,
    ),
    Mutation(
        "growth-claims-nothing",
        _CLAIMS,
        'during += [replace(claim, mode=GROW, attribute="size") for claim in mine]',
        "pass",
        _FIRST,
    ),
    Mutation(
        "recreated-vm-keeps-its-claims",
        _CLAIMS,
        "after = [claim for claim in after if claim.mode == BASE]",
        "after = list(after)",
        _FIRST,
    ),
    Mutation(
        "linked-image-is-no-base",
        _CLAIMS,
        'return [], [*after, *moment.driver.file(image["source"], BASE, "image", "source")]',
        "return [], after",
        _FIRST,
    ),
    Mutation(
        "image-is-copied-from-any-disk",
        _CLAIMS,
        'return moment.driver.file(image["source"], COPY, "image", "source"), after',
        "return [], after",
        _FIRST,
    ),
    Mutation(
        "linked-clone-is-a-copy",
        _CLAIMS,
        "wanted = {WRITE: BASE, BASE: BASE} if mode == BASE else {WRITE: COPY}",
        "wanted = {WRITE: COPY}",
        _FIRST,
    ),
    Mutation(
        "restore-claims-nothing",
        _CLAIMS,
        'return [replace(claim, mode=RESTORE, option=SNAPSHOTS, attribute="") for claim in mine], after',
        "return [], after",
        _FIRST,
    ),
    Mutation("vm-listed-twice", _ARRANGE, "_reject_twice_listed(works)", "pass", _FIRST),
    Mutation(
        "what-has-to-wait-does-not",
        _ARRANGE,
        "work.after += [one for one in waits if one not in work.after]",
        "pass",
        _FIRST,
    ),
    Mutation(
        "needed-file-is-deleted",
        _ARRANGE,
        "files.append(replace(file, used_by=tuple(sorted({*file.used_by, *users}))))",
        "files.append(file)",
        {"unit": [f"{_TESTS}/_drivers/virsh/test_own_files.py"]},
    ),
    Mutation("started-source-comes-first", _ORDER, "return None if is_only_started else found", "return found", _FIRST),
    Mutation(
        "reserved-port-of-a-vm-that-is-off",
        _WORLD,
        "return (both or (claim.is_reserved and new.is_added)) and overlap(claim.where, held.where)",
        "return both and overlap(claim.where, held.where)",
        _FIRST,
    ),
    Mutation(
        "running-vm-loses-what-it-uses",
        _CLAIMS,
        "return [claim for claim in own if claim.key in used]",
        "return []",
        _FIRST,
    ),
    Mutation(
        "own-vms-of-the-task-are-unknown",
        _ARRANGE,
        "return [*held, *(one.claims.observed(one.found) for one in known)]",
        "return held",
        {"unit": [f"{_TESTS}/_engine/test_claims_read.py"]},
    ),
    Mutation(
        "one-id-for-two-vms",
        f"{_CODE}/_lifecycle/request.py",
        'return {"id": request.id} if request.name and request.id else {}',
        "return {}",
        {"unit": [f"{_TESTS}/_lifecycle/test_request.py"]},
    ),
)
