/* Copyright (c) 2026, polyvirt contributors
   GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
   SPDX-License-Identifier: GPL-3.0-or-later
   What the search of Sphinx finds in a guide is shown before the same in the pages of modules. The other numbers are those
   of Sphinx itself. */
var Scorer = {
  score: ([page, , , , score]) => (page.startsWith("docsite/") ? score + 20 : score),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
