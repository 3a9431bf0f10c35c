// Loaded first. The one place where a string may become markup (Trusted Types): fragments of our
// own server, in which every text of strangers is escaped. Scripts and handlers are refused.
"use strict";
(function () {
  if (!window.trustedTypes || !window.trustedTypes.createPolicy) { return; }
  var forbidden = /<\s*(script|iframe|object|embed|base|meta\s+http-equiv)\b|<[^>]*\s(on[a-z]+|srcdoc)\s*=/i;
  window.trustedTypes.createPolicy("default", {
    createHTML: function (markup) {
      // quoted attribute values hold escaped text of strangers; they can't open a tag
      if (forbidden.test(markup.replace(/"[^"]*"/g, '""'))) {
        throw new TypeError("markup with a script or handler was refused");
      }
      return markup;
    },
    createScript: function () { return null; },
    createScriptURL: function () { return null; }
  });
})();
