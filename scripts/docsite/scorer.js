/* Copyright (c) 2026, polyvirt contributors
   GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
   SPDX-License-Identifier: GPL-3.0-or-later
   What the search of Sphinx finds in a guide is shown before the same in the pages of modules, a guide with the words of
   the query in its title before other guides, and the user guide before the guides of single platforms. The other numbers
   are those of Sphinx itself. scripts/docsite/searches.json has queries and the pages that must be found first. */
const wordsOf = (text) => text.toLowerCase().match(/[a-z0-9]+/g) || [];
/* Each page is about VMs, and a short word is the beginning of many others. */
const SAYS_NOTHING = ["a", "an", "the", "to", "of", "my", "vm", "vms"];
const isSame = (word, one) => word === one || word === `${one}s` || (word.length > 2 && one.startsWith(word));
/* The part of the words of a query that are in the title of a page. */
const partInTitle = (all, title) => {
  const query = all.filter((word) => !SAYS_NOTHING.includes(word));
  const words = wordsOf(title.split(" > ")[0]);
  const found = query.filter((word) => words.some((one) => isSame(word, one)));
  return query.length ? found.length / query.length : 0;
};
var Scorer = {
  score: ([page, title, , , score]) => {
    if (!page.startsWith("docsite/")) return score;
    if (page.startsWith("docsite/playbook_")) return score + 20;
    const query = wordsOf(new URLSearchParams(window.location.search).get("q") || "");
    return score + 30 + (page === "docsite/user-guide" ? 10 : 0) + 30 * partInTitle(query, title);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
