"""How every page of ours looks: colours as variables, light and dark, all text at contrast AA on both backgrounds.

`STYLE` is the whole sheet, for any page of Nightshift. A page follows the system unless `data-theme` on its root says
light or dark. The sheet loads nothing, and needs no `style` attribute anywhere.
"""

from __future__ import annotations

_LIGHT = """color-scheme: light; --bg: #ffffff; --panel: #f6f8fa; --line: #d1d9e0; --text: #1f2328; --soft: #59636e;
  --good: #1a7f37; --bad: #cf222e; --warn: #8a5a00; --link: #0860ca;
  --good-bg: #dafbe1; --bad-bg: #ffebe9; --warn-bg: #fff8c5; --idle: #e4e8ec;
  --planner: #8250df; --tester: #0969da; --builder: #1f883d; --repairer: #bc4c00; --analyst: #bf3989;
  --reviewer: #6e7781; --checks: #57606a;"""

_DARK = """color-scheme: dark; --bg: #0d1117; --panel: #161b22; --line: #3d444d; --text: #e6edf3; --soft: #9da7b3;
  --good: #3fb950; --bad: #ff7b72; --warn: #d9a514; --link: #6cb0ff;
  --good-bg: #12331d; --bad-bg: #45191c; --warn-bg: #3a2d06; --idle: #21262d;
  --planner: #a371f7; --tester: #58a6ff; --builder: #3fb950; --repairer: #f0883e; --analyst: #f778ba;
  --reviewer: #8b949e; --checks: #848d97;"""

_SHEET = """
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--text); background: var(--bg);
  max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.45rem; line-height: 1.3; margin: .6rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 3rem 0 .75rem; padding-bottom: .35rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere; }
h4 { font-size: .875rem; margin: 1rem 0 .35rem; overflow-wrap: anywhere; }
p { margin: .5rem 0; overflow-wrap: anywhere; } li { overflow-wrap: anywhere; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
pre, code, .mono { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
h4.mono { font-size: .95rem; font-weight: 600; margin: 1.6rem 0 .3rem; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem;
  margin: .4rem 0;
  white-space: pre-wrap; }
pre b { font-weight: 400; display: block; } pre b.good { background: var(--good-bg); color: inherit; }
pre b.bad { background: var(--bad-bg); color: inherit; } pre b.soft { color: var(--soft); }
button { font: inherit; font-size: .875rem; color: var(--text); background: var(--panel);
  border: 1px solid var(--line);
  border-radius: 6px; padding: .2rem .7rem; cursor: pointer; }
button:hover { border-color: var(--soft); }
[hidden], [data-scripts] .off { display: none; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); } .soft { color: var(--soft); }
.small { font-size: .875rem; }
.bar { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: center; }
.bar > :first-child { flex: 1 1 auto; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 1.25rem 0; padding: .5rem 0; font-size: .9rem;
  border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
nav a { text-decoration: none; padding: .1rem 0; } nav a:hover { text-decoration: underline; }
.verdict { border: 1px solid var(--line); border-left: .4rem solid var(--soft); border-radius: 6px;
  padding: .8rem 1.1rem;
  background: var(--panel); }
.verdict.good { border-left-color: var(--good); } .verdict.bad { border-left-color: var(--bad); }
.verdict.warn { border-left-color: var(--warn); } .verdict > * { color: var(--text); }
.verdict strong { font-size: 1.2rem; } .verdict.good strong { color: var(--good); }
.verdict.bad strong { color: var(--bad); } .verdict.warn strong { color: var(--warn); }
.verdict p:first-child { margin-top: 0; } .verdict p:last-child { margin-bottom: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.figures div { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .8rem; }
.figures dt { font-size: .8rem; color: var(--soft); } .figures dd { margin: 0; font-size: 1.15rem; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; min-width: min(100%, 34rem); font-size: .925rem; }
.wide { width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; max-width: 50rem;
  overflow-wrap: break-word; }
th { font-weight: 600; color: var(--soft); font-size: .825rem; } tbody th { font-weight: 400; color: inherit; }
tr { border-bottom: 1px solid var(--line); } tr:last-child { border-bottom: 0; }
td p { margin: 0; } td pre { margin: 0; padding: .25rem .6rem; min-width: 14rem; }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tag { display: inline-block; font-size: .78rem; line-height: 1.5; padding: 0 .5rem; border: 1px solid var(--line);
  border-radius: 1rem; color: var(--soft); overflow-wrap: anywhere; }
.tag.good { border-color: var(--good); color: var(--good); } .tag.bad { border-color: var(--bad); color: var(--bad); }
.tag.warn { border-color: var(--warn); color: var(--warn); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr)); gap: .9rem;
  margin: .75rem 0;
  align-items: start; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; min-width: 0; background: var(--bg); }
.card.chosen { border-color: var(--good); box-shadow: inset 0 3px 0 var(--good); }
.card h4 { margin-top: 0; } .card h4 .tag { margin-left: .3rem; font-weight: 400; }
.card.open { grid-column: 1 / -1; }
.rungs { display: flex; flex-wrap: wrap; gap: .15rem .8rem; list-style: none; margin: .4rem 0; padding: 0;
  font-size: .875rem; }
.whys { list-style: none; counter-reset: why; margin: .5rem 0; padding: 0; max-width: 48rem; }
.whys li { counter-increment: why; position: relative; padding: .1rem 0 .9rem 2.6rem; }
.whys li::before { content: counter(why); position: absolute; left: 0; top: 0; width: 1.7rem; height: 1.7rem;
  line-height: 1.6rem;
  text-align: center; border: 1px solid var(--line); border-radius: 50%; font-size: .85rem;
  background: var(--panel); }
.whys li:not(:last-child)::after { content: ""; position: absolute; left: .82rem; top: 1.8rem; bottom: .1rem;
  border-left: 2px solid var(--line); }
.whys li.root::before { border-color: var(--bad); color: var(--bad); }
.matrix { min-width: 0; } .matrix th, .matrix td { padding: .18rem .7rem .18rem 0; } .matrix td { text-align: center; }
.matrix thead th { text-align: center; min-width: 6rem; }
.matrix thead th:first-child, .matrix thead th:last-child { text-align: left; }
.matrix tbody th, .matrix td.small { text-align: left; }
.matrix tbody th { font: 12.5px/1.5 ui-monospace, Menlo, Consolas, monospace; min-width: min(24rem, 60vw);
  overflow-wrap: anywhere; }
.matrix .win { background: var(--good-bg); }
.matrix .win.good, .matrix .win .good, .matrix .win.bad, .matrix .win .bad { color: var(--text); }
summary { cursor: pointer; padding: .2rem 0; border-radius: 3px; overflow-wrap: anywhere; }
summary:hover { color: var(--link); }
details > :not(summary) { margin-left: 1.1rem; }
.card details > :not(summary) { margin-left: 0; }
.calls { border-top: 1px solid var(--line); }
.calls details { border-bottom: 1px solid var(--line); padding: .15rem 0; }
.calls .mono { margin-right: .6rem; } .calls summary .soft { font-size: .875rem; }
svg { display: block; font: 12px system-ui, sans-serif; } svg text { fill: var(--text); }
svg .soft { fill: var(--soft); }
svg .mono { font: 12px ui-monospace, Menlo, Consolas, monospace; }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .idle { fill: var(--idle); }
svg .hatch { stroke: var(--line); }
svg .band { fill: var(--panel); stroke: var(--line); }
svg .edge { fill: none; stroke: var(--soft); stroke-width: 1.3; }
svg .edge.hit { stroke: var(--warn); stroke-width: 2.5; } svg .tip { fill: var(--soft); }
svg .tip.hit { fill: var(--warn); }
svg .box { fill: var(--panel); stroke: var(--line); stroke-width: 1.2; }
svg .box.bad { fill: var(--bad-bg); stroke: var(--bad); }
svg .box.warn { fill: var(--warn-bg); stroke: var(--warn); }
svg .box.again { stroke: var(--link); stroke-dasharray: 4 3; }
svg .good { fill: var(--good); } svg .bad { fill: var(--bad); } svg .warn { fill: var(--warn); }
svg .cut { stroke: var(--bad); stroke-dasharray: 3 3; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: 0; margin: .3rem 0;
  font-size: .85rem; }
.key svg { display: inline-block; margin-right: .35rem; vertical-align: -1px; }
.planner, .explorer { fill: var(--planner); } .tester { fill: var(--tester); } .builder { fill: var(--builder); }
.repairer { fill: var(--repairer); } .analyst, .librarian { fill: var(--analyst); }
.reviewer, .voter, .other { fill: var(--reviewer); } .checks { fill: var(--checks); } .none { opacity: .45; }
@media (max-width: 40rem) { body { padding: 1rem .9rem 3rem; } h1 { font-size: 1.2rem; } h2 { margin-top: 2.2rem; }
  .figures { grid-template-columns: repeat(2, 1fr); gap: .5rem; }
  .wide thead { display: none; } .wide, .wide tbody, .wide tr, .wide td { display: block; }
  .wide td:not([data-label]) { float: left; margin-right: .6rem; } .wide td { padding: .15rem 0; }
  .wide tr { padding: .6rem 0; } .wide td:empty { display: none; }
  .wide td[data-label]::before { content: attr(data-label); display: block; color: var(--soft); font-size: .8rem; } }
@media print { body { max-width: none; font-size: 10.5pt; padding: 0; } nav, button { display: none; }
  .card, tr, svg, .verdict { break-inside: avoid; } h2, h3, h4 { break-after: avoid; } .scroll { overflow: visible; }
  table { font-size: 9pt; } a { color: inherit; text-decoration: none; } }
@media screen { section { content-visibility: auto; contain-intrinsic-size: auto 60rem; } }
"""

STYLE = f"""
:root {{ {_LIGHT} }}
@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{ {_DARK} }} }}
@media screen {{ :root[data-theme="dark"] {{ {_DARK} }} }}
{_SHEET}"""
