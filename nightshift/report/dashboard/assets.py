"""What the dashboard adds to the report's style sheet, and its one script: the live view of a run.

The script sets text only, never markup. Without it a page shows what there was when it was loaded.
"""

from __future__ import annotations

from nightshift.report.page.style import STYLE

SHEET = f"""{STYLE}
header {{ margin: 0; }}
nav a:first-child {{ font-weight: 700; color: var(--text); }}
nav a[aria-current] {{ text-decoration: underline; text-underline-offset: .3em; }}
main:focus {{ outline: none; }}
form.filter {{ display: flex; gap: .8rem; flex-wrap: wrap; align-items: end; margin-bottom: 1rem; }}
label {{ display: grid; gap: .15rem; font-size: .85rem; color: var(--soft); max-width: 100%;
  grid-template-columns: minmax(0, 1fr); }}
input, select {{ font: inherit; color: var(--text); background: var(--bg); border: 1px solid var(--soft);
  border-radius: 6px; padding: .2rem .5rem; max-width: 100%; min-height: 2rem; }}
button {{ min-height: 2rem; }}
button.stop {{ border-color: var(--bad); color: var(--bad); font-weight: 600; }}
input[type="checkbox"] {{ width: 1.5rem; height: 1.5rem; min-height: 0; margin: 0; }}
.skip {{ position: absolute; left: -99rem; }} .skip:focus {{ position: static; }}
.actions {{ display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: center; }}
td {{ overflow-wrap: break-word; }} td.fixed {{ white-space: nowrap; }}
.figures .wide {{ grid-column: 1 / -1; }}
.figures .wide dd {{ font-size: 1rem; font-weight: 400; overflow-wrap: anywhere; }}
#records {{ list-style: none; padding: 0; margin: .5rem 0; }}
#records li {{ border-bottom: 1px solid var(--line); padding: .3rem 0; }}
#records p {{ margin: 0; }} #records .line {{ padding-left: 1.2rem; white-space: pre-wrap; }}
pre.diff span {{ display: inline; }}
@media (max-width: 40rem) {{
  table.runs, table.runs tbody, table.runs tr, table.runs td {{ display: block; }}
  table.runs thead {{ position: absolute; left: -99rem; }}
  table.runs td.fixed {{ display: inline-block; margin-right: .8rem; vertical-align: middle; }}
  table.runs td {{ padding: .1rem 0; }} table.runs tr {{ padding: .6rem 0; }}
}}
"""

SCRIPT = r"""
"use strict";
(() => {
  const view = document.getElementById("live");
  if (!view) return;
  const KEPT = 400;
  const list = document.getElementById("records");
  const state = document.getElementById("connection");
  const figure = (name) => document.querySelector(`[data-figure="${name}"]`);
  let seq = Number(view.dataset.seq);
  let source = null;

  const piece = (name, text, kind) => {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  const item = (record) => {
    const made = document.createElement("li");
    const head = piece("p", "", "head");
    head.append(piece("time", record.time), " ", piece("b", record.kind), " ", piece("span", record.span, "soft"));
    made.append(head);
    for (const line of record.lines) made.append(piece("p", line, "line"));
    return made;
  };

  const show = (tally) => {
    for (const name of ["attempt", "calls", "tokens", "held"]) {
      const cell = figure(name);
      if (cell) cell.textContent = String(tally[name] || "–");
    }
    const waiting = figure("waiting");
    if (waiting) waiting.textContent = tally.waiting.length ? tally.waiting.join("; ") : "nothing";
  };

  const connect = () => {
    if (source || document.hidden) return;
    source = new EventSource(`${view.dataset.events}?after=${seq}`);
    source.onopen = () => { state.textContent = "live"; };
    source.onerror = () => { state.textContent = "not connected; trying again"; };
    source.addEventListener("records", (event) => {
      const news = JSON.parse(event.data);
      const below = window.innerHeight + window.scrollY >= document.body.scrollHeight - 40;
      const made = document.createDocumentFragment();
      for (const record of news.records) if (record.seq > seq) { made.append(item(record)); seq = record.seq; }
      list.append(made);
      while (list.children.length > KEPT) list.firstChild.remove();
      show(news.tally);
      if (below) window.scrollTo(0, document.body.scrollHeight);
    });
    source.addEventListener("ended", () => { source.close(); location.reload(); });
  };

  // A browser opens few connections to one server: only the tabs that can be seen hold one.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && source) { source.close(); source = null; state.textContent = "paused"; }
    connect();
  });
  connect();
})();
"""
