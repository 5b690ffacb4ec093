"""The one script of a report: its theme, and the folded texts put together when they are opened.

It writes text only, never markup. Without it all but the long texts is there, and a sentence says where those are.
"""

from __future__ import annotations

SCRIPT = r"""
"use strict";
(() => {
  const root = document.documentElement;
  root.dataset.scripts = "on";

  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const other = () => (theme() === "dark" ? "light" : "dark");
  const label = () => { button.textContent = `Switch to ${other()}`; };
  const remembered = (change) => { try { return change(localStorage); } catch { return null; } };
  const wanted = remembered((kept) => kept.getItem("nightshift-theme"));
  if (wanted === "dark" || wanted === "light") root.dataset.theme = wanted;
  button.hidden = false;
  label();
  dark.addEventListener("change", label);
  button.addEventListener("click", () => {
    root.dataset.theme = other();
    remembered((kept) => kept.setItem("nightshift-theme", root.dataset.theme));
    label();
  });

  let store = null;
  const text = (number) => {
    store ??= JSON.parse(document.getElementById("texts").textContent);
    return store.texts[number].map((part) => store.parts[part]).join("\n\n");
  };
  const fill = (fold) => {
    for (const place of fold.querySelectorAll("pre[data-text]")) {
      place.textContent = text(Number(place.dataset.text));
      delete place.dataset.text;
    }
  };

  // Only what can be scrolled is worth a stop of the Tab key.
  const stops = (within) => {
    const boxes = [...within.querySelectorAll(".scroll")];
    const wide = boxes.map((box) => box.scrollWidth > box.clientWidth);
    boxes.forEach((box, place) => { box.tabIndex = wide[place] ? 0 : -1; });
  };
  const later = window.requestIdleCallback ?? ((task) => setTimeout(task, 50));
  const settle = () => document.querySelectorAll("section").forEach((part) => later(() => stops(part)));
  settle();
  addEventListener("resize", settle);
  document.addEventListener("toggle", (event) => {
    const fold = event.target;
    if (!(fold instanceof HTMLDetailsElement)) return;
    if (fold.open) fill(fold);
    fold.closest(".card")?.classList.toggle("open", fold.closest(".card").querySelector("details[open]") !== null);
    stops(fold);
  }, true);

  const show = () => {
    const fold = document.getElementById(location.hash.slice(1));
    if (fold instanceof HTMLDetailsElement) fold.open = true;
  };
  addEventListener("hashchange", show);
  show();

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.print:not([open])")];
    closed.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((fold) => { fold.open = false; }));
})();
"""
