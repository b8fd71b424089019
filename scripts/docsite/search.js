/* Copyright (c) 2026, polyvirt contributors
   GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
   SPDX-License-Identifier: GPL-3.0-or-later
   Search the built site as a browser does, by its own scripts and index.
   Usage: node search.js HTML QUERIES.json. The queries are {query: the page that must be the first result}. */
"use strict";

const fs = require("fs");
const path = require("path");
const vm = require("vm");

const [html, queries] = process.argv.slice(2);
const nothing = { addEventListener: () => {}, getElementById: () => null };
const context = vm.createContext({ document: nothing, SPHINX_HIGHLIGHT_ENABLED: false, _ready: () => {}, URLSearchParams });
context.window = context;
context._ = (text) => text;
for (const name of ["_static/language_data.js", "_static/searchtools.js", "searchindex.js"])
  vm.runInContext(fs.readFileSync(path.join(html, name), "utf-8"), context, name);

/* The pages of the results, the best first. */
function pages(query) {
  context.query = query;
  context.location = { search: `?${new URLSearchParams({ q: query })}` };
  const results = vm.runInContext("Search._performSearch(...Search._parseQuery(query))", context);
  return [...new Set(results.reverse().map((result) => result[0]))];
}

let failed = 0;
for (const [query, expected] of Object.entries(JSON.parse(fs.readFileSync(queries, "utf-8")))) {
  const found = pages(query);
  const place = found.indexOf(expected);
  if (place !== 0) failed += 1;
  console.log(`${place === 0 ? "ok    " : "FAILED"} ${query}: ${found.slice(0, 3).join(", ") || "nothing"}`);
  if (place !== 0) console.log(`       expected first: ${expected} (${place < 0 ? "not found" : `place ${place + 1}`})`);
}
process.exitCode = failed ? 1 : 0;
