// Copyright (c) 2026, polyvirt contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sorts and filters the table of VMs. What is chosen is in the address, so it can be bookmarked:
// #sort=name or #sort=-name (descending), filter=words, status=failed. #vm-3 opens a VM.
(() => {
  "use strict";
  const table = document.getElementById("vms");
  const words = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const more = document.getElementById("more");
  const headers = [...table.tHead.rows[0].cells];
  const buttons = [...document.querySelectorAll(".controls button")];
  const collator = new Intl.Collator("en", { numeric: true });
  const vms = [...table.tBodies].map((body, place) => ({ body, place, keys: {}, text: null }));
  let limit = Number(table.dataset.limit);
  let chosen = { sort: "", filter: "", status: "" };

  // The text of a VM is read when it is needed first: most readers never filter.
  const textOf = (vm) => (vm.text ??= vm.body.textContent.toLowerCase());
  const keyOf = (vm, column) => {
    if (!(column in vm.keys)) {
      const cell = vm.body.rows[0].cells[column];
      vm.keys[column] = cell.dataset.sort ?? cell.textContent.trim();
    }
    return vm.keys[column];
  };

  const sort = (name) => {
    const descending = name.startsWith("-");
    const column = headers.findIndex((one) => one.dataset.name === name.replace("-", ""));
    headers.forEach((one, place) => {
      if (place === column) one.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else one.removeAttribute("aria-sort");
    });
    const sign = descending ? -1 : 1;
    const compare = (one, other) => sign * collator.compare(keyOf(one, column), keyOf(other, column));
    vms.sort((one, other) => (column < 0 ? 0 : compare(one, other)) || one.place - other.place);
  };

  const fits = (vm, wanted) =>
    (!chosen.status || vm.body.dataset.status === chosen.status) && wanted.every((one) => textOf(vm).includes(one));

  // Only the first VMs are laid out, because a table of thousands takes seconds.
  const show = () => {
    const wanted = chosen.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const found = vms.filter((vm) => fits(vm, wanted));
    const first = new Set(found.slice(0, limit));
    for (const vm of vms) {
      vm.body.classList.remove("late");
      vm.body.hidden = !first.has(vm);
    }
    table.append(...[...first].map((vm) => vm.body));
    shown.textContent = found.length === vms.length ? `${vms.length} VMs` : `${found.length} of ${vms.length} VMs`;
    more.hidden = found.length <= limit;
    more.textContent = `Show all ${found.length} VMs`;
    buttons.forEach((one) => one.setAttribute("aria-pressed", one.dataset.status === chosen.status));
  };

  const showAll = () => {
    limit = Infinity;
    show();
  };

  const open = (body, isOpen) => {
    body.classList.toggle("open", isOpen);
    body.querySelector(".name button").setAttribute("aria-expanded", body.classList.contains("open"));
  };

  const read = () => {
    const target = document.getElementById(location.hash.slice(1) || "-");
    if (target && target.classList.contains("vm")) {
      if (target.hidden || target.classList.contains("late")) {
        Object.assign(chosen, { filter: "", status: "" });
        words.value = "";
        showAll();
      }
      open(target, true);
      target.scrollIntoView();
      return;
    }
    const found = new URLSearchParams(location.hash.slice(1));
    chosen = { sort: found.get("sort") || "", filter: found.get("filter") || "", status: found.get("status") || "" };
    words.value = chosen.filter;
    sort(chosen.sort);
    show();
  };

  const choose = (change) => {
    Object.assign(chosen, change);
    const set = Object.entries(chosen).filter(([, value]) => value);
    history.replaceState(null, "", `#${new URLSearchParams(set)}`);
    if ("sort" in change) sort(chosen.sort);
    show();
  };

  table.tHead.addEventListener("click", (event) => {
    const name = event.target.closest("button") && event.target.closest("th").dataset.name;
    if (name) choose({ sort: chosen.sort === name ? `-${name}` : name });
  });
  table.addEventListener("click", (event) => {
    const row = event.target.closest(".vm > tr:first-child");
    const isText = String(getSelection()) || event.target.closest("a");
    if (row && !isText) open(row.parentNode);
  });
  words.addEventListener("input", () => choose({ filter: words.value.trim() }));
  buttons.forEach((one) => one.addEventListener("click", () => choose({ status: one.dataset.status })));
  more.addEventListener("click", showAll);
  addEventListener("beforeprint", showAll);
  addEventListener("hashchange", read);
  show();
  if (location.hash) read();
})();
