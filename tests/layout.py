"""What of a page's layout can be measured in the browser, and what counts as broken."""

from typing import Any

from tests.browser import Browser

CANVAS_PROBE = """
window.written = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  const at = this.getTransform().transformPoint({x: x, y: y}), m = this.measureText(text);
  const left = at.x - m.actualBoundingBoxLeft, right = at.x + m.actualBoundingBoxRight;
  window.written.push({text: text, left: left, right: right, y: at.y, canvas: this.canvas});
  return write.apply(this, arguments);
};
"""
"""Loaded before a page: notes every text that is drawn into a chart, with its place."""

_FAULTS = r"""
(() => {
  const found = [], width = document.documentElement.clientWidth, texts = [];
  const name = (t) => t.trim().replace(/\s+/g, ' ').slice(0, 50);
  if (document.documentElement.scrollWidth > width) {
    const wide = [...document.querySelectorAll('body *')].filter(
      (e) => e.getBoundingClientRect().right > width + 1 && !e.closest('.skip'));
    found.push('the page is wider than the view: ' + wide.slice(-3).map(
      (e) => e.tagName + '.' + e.getAttribute('class') + ' ' + name(e.textContent)).join(' | '));
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement, style = getComputedStyle(element);
    if (!node.data.trim() || element.closest('script, style, option, title, .skip')) continue;
    if (style.visibility === 'hidden' || !element.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const size = parseFloat(style.fontSize);
    for (const r of range.getClientRects()) {
      if (r.width < 1) continue;
      const middle = (r.top + r.bottom) / 2; // the ink, not the line's full height
      const box = {text: name(node.data), left: r.left, right: r.right,
                   top: middle - 0.36 * size, bottom: middle + 0.36 * size};
      texts.push(box);
      if (box.left < -1 || box.right > width + 1) found.push('out of view: ' + box.text);
      for (let up = element; up !== document.body; up = up.parentElement) {
        if (getComputedStyle(up).overflowX === 'visible' || up.tagName === 'svg') continue;
        const edge = up.getBoundingClientRect();
        if (box.left < edge.left - 1 || box.right > edge.right + 1) {
          found.push('clipped: ' + box.text); break;
        }
      }
    }
  }
  texts.sort((a, b) => a.top - b.top);
  texts.forEach((a, n) => {
    for (const b of texts.slice(n + 1)) {
      if (b.top >= a.bottom) break;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - b.top;
      if (across > 1.5 && down > 1.5) found.push(`overlap: "${a.text}" and "${b.text}"`);
    }
  });
  const pen = document.createElement('canvas').getContext('2d');
  for (const cell of document.querySelectorAll('td[data-label]')) {
    const style = getComputedStyle(cell, '::before');
    if (style.content === 'none' || !cell.checkVisibility()) continue;
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    if (pen.measureText(cell.dataset.label).width > parseFloat(style.width)) {
      found.push('column name clipped: ' + cell.dataset.label);
    }
  }
  const drawn = (window.written || []).filter((t) => t.canvas.isConnected);
  const rows = new Map();
  for (const t of drawn) {
    if (t.left < 0 || t.right > t.canvas.width) found.push('clipped in a chart: ' + t.text);
    const sites = [...document.querySelectorAll('canvas')];
    const key = sites.indexOf(t.canvas) + ':' + Math.round(t.y);
    rows.set(key, [...(rows.get(key) || []).filter((o) => o.left !== t.left), t]);
  }
  for (const row of rows.values()) {
    row.sort((a, b) => a.left - b.left);
    row.slice(1).forEach((t, n) => {
      if (t.left < row[n].right + 3) found.push(`overlap in a chart: ${row[n].text} ${t.text}`);
    });
  }
  return [...new Set(found)];
})()
"""


def probe_charts(browser: Browser) -> None:
    """Have every page from now on note what is drawn into its charts."""
    browser.send("Page.addScriptToEvaluateOnNewDocument", source=CANVAS_PROBE)


def layout_faults(browser: Browser) -> list[str]:
    """Return what is broken on the page: too wide, out of view, clipped, or on top of each other.

    Texts are measured line by line by the rectangles the browser laid them out in.
    """
    found: list[Any] = browser.evaluate(_FAULTS)
    return [str(fault) for fault in found]
