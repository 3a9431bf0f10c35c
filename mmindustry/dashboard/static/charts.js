// Draws the series of an asset: health, risk and novelty over time, in the site's own zone.
"use strict";
(function () {
  var root = document.getElementById("charts");
  if (!root || !window.uPlot) { return; }
  var plots = [];
  var sync = uPlot.sync("asset");
  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function text(value, unit) { return value === null || value === undefined ? "–" : measured(value, unit); }
  function measured(value, unit) { // a probability never claims certainty
    if (unit !== "%") { return value.toFixed(1) + (unit ? " " + unit : ""); }
    return value > 0 && value < 1 ? "< 1 %" : value > 99.5 && value < 100 ? "> 99 %" : value.toFixed(0) + " %";
  }
  function newest(u) { if (u.cursor.left === undefined || u.cursor.left < 0) { u.setLegend({ idx: u.data[0].length - 1 }, false); } }

  var day = uPlot.fmtDate("{YYYY}-{MM}-{DD}"), minute = uPlot.fmtDate("{HH}:{mm}"), second = uPlot.fmtDate("{HH}:{mm}:{ss}");
  function times(ticks, step, zone) {
    var before = "";
    return ticks.map(function (tick) {
      var there = uPlot.tzDate(new Date(tick * 1e3), zone), date = day(there);
      if (step >= 86400) { return date; }
      var shown = (step < 60 ? second : minute)(there) + (date === before ? "" : "\n" + date);
      before = date;
      return shown;
    });
  }

  function bands(chart, data) {
    return function (u) {
      var ctx = u.ctx, left = u.bbox.left, top = u.bbox.top, width = u.bbox.width, height = u.bbox.height;
      ctx.save();
      ctx.beginPath(); ctx.rect(left, top, width, height); ctx.clip();
      if (chart.normal) {
        var a = u.valToPos(chart.normal[0], "y", true), b = u.valToPos(chart.normal[1], "y", true);
        ctx.fillStyle = colour("--band"); ctx.fillRect(left, Math.min(a, b), width, Math.abs(a - b));
      }
      data.alarms.forEach(function (alarm) {
        var from = u.valToPos(alarm.start, "x", true), to = alarm.to === null ? left + width : u.valToPos(alarm.to, "x", true);
        ctx.fillStyle = colour("--" + alarm.priority); ctx.globalAlpha = 0.16;
        ctx.fillRect(from, top, Math.max(2, to - from), height);
        ctx.globalAlpha = 1; ctx.fillRect(from, top, 2 * devicePixelRatio, height);
      });
      ctx.restore();
    };
  }

  function options(chart, data, width) {
    var axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    var names = ["--series-1", "--series-2", "--series-3"];
    return {
      width: width, height: 170, padding: [8, 38, 0, 0], cursor: { sync: { key: sync.key }, points: { size: 7 } },
      tzDate: function (stamp) { return uPlot.tzDate(new Date(stamp * 1e3), data.zone); },
      scales: { y: { range: chart.range } },
      legend: { live: true },
      axes: [
        Object.assign({}, axis, { space: function (u, place, from, to, pixels) { // room for a time with seconds, or a date
          var span = to - from;
          return 30 * pixels / span >= 52 || span > 172800 ? 82 : 52;
        }, values: function (u, ticks, place, space, step) { return times(ticks, step, data.zone); } }),
        Object.assign({}, axis, { size: 56, values: function (u, ticks) { return ticks.map(function (v) { return v + (chart.unit ? " " + chart.unit : ""); }); } })
      ],
      series: [{ label: data.zone, value: function (u, v) { return v === null ? "–" : uPlot.fmtDate("{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}")(uPlot.tzDate(new Date(v * 1e3), data.zone)); } }].concat(chart.series.map(function (one, i) {
        return {
          label: one.label, stroke: colour(names[i % 3]), width: 1.6, dash: [null, [6, 4], [2, 3]][i % 3] || undefined, spanGaps: false,
          points: { show: data.times.length < 120, size: 4 },
          value: function (u, v) { return text(v, chart.unit); }
        };
      })),
      hooks: { drawClear: [bands(chart, data)], ready: [newest], setCursor: [newest] }
    };
  }

  function draw(data) {
    plots.forEach(function (p) { p.destroy(); });
    plots = [];
    root.querySelectorAll(".plot").forEach(function (place) {
      var chart = data.charts[place.dataset.chart];
      place.textContent = "";
      var bare = !data.times.length || !chart.series.length;
      place.classList.toggle("bare", bare);
      if (bare) { place.textContent = place.dataset.empty; return; }
      var plot = new uPlot(options(chart, data, place.clientWidth), [data.times].concat(chart.series.map(function (s) { return s.values; })), place);
      plot.over.addEventListener("click", function () {
        var id = plot.cursor.idx === null ? null : data.windows[plot.cursor.idx];
        if (id) { location.href = "/windows/" + id; }
      });
      plots.push(plot);
    });
  }

  var last = null, busy = false;
  function load() {
    if (busy) { return; }
    busy = true;
    fetch(root.dataset.source, { headers: { Accept: "application/json" } })
      .then(function (answer) { return answer.ok ? answer.json() : Promise.reject(answer.status); })
      .then(function (data) { last = data; draw(data); })
      .catch(function () { if (!last) { root.querySelectorAll(".plot").forEach(function (p) { p.textContent = p.dataset.failed; }); } })
      .finally(function () { busy = false; });
  }
  var waiting = 0;
  document.body.addEventListener("changed", function () {
    clearTimeout(waiting); waiting = setTimeout(load, 400);
  });
  window.addEventListener("resize", function () { if (last) { draw(last); } });
  load();
})();
