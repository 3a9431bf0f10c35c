// Tells the page that the record has changed; htmx elements listen for `changed` on the body.
"use strict";
(function () {
  var sign = document.getElementById("live");
  if (!sign || !window.EventSource) { return; }
  var stream = null;
  function show(state) {
    sign.dataset.state = state;
    sign.textContent = sign.dataset[state];
  }
  function tell(name) { document.body.dispatchEvent(new CustomEvent(name)); }
  function open() {
    if (stream) { return; }
    stream = new EventSource(sign.dataset.source);
    stream.onopen = function () { show("on"); };
    stream.onerror = function () { show("off"); };
    stream.addEventListener("changed", function () { tell("changed"); });
    stream.addEventListener("closing", function () { show("off"); });
  }
  function close() {
    if (stream) { stream.close(); stream = null; show("off"); }
  }
  document.addEventListener("visibilitychange", function () {
    if (document.hidden) { close(); } else { open(); tell("changed"); }
  });
  window.addEventListener("pagehide", close);
  open();
})();
