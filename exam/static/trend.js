// Small charts of one item over the years: <div data-trend='{"points":[["2024-05-01",5.1,""]],"low":3.5,"high":5.3,"unit":"mmol/L","label":"钾"}'>.
// The chart library is fetched only by a page that has such a chart. The numbers also stand in the page as text.
"use strict";

const trendTag = document.currentScript.dataset;
let trendLibrary = null;

function loadTrendLibrary() {
  trendLibrary ||= new Promise((resolve, reject) => {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: trendTag.style }));
    document.head.append(Object.assign(document.createElement("script"), { src: trendTag.library, onload: resolve, onerror: reject }));
  });
  return trendLibrary;
}

const TREND_HEIGHT = 130;
const TREND_COLOURS = { line: "#14508c", band: "#dcefe1", abnormal: "#b42318", ink: "#4a5867", grid: "#e8edf1" };
const yearOf = (seconds) => new Date(seconds * 1000).toISOString().slice(2, 7).replace("-", "/");

/** Low and high of the axis with some air, wide enough for the reference band. */
function trendExtent(numbers, low, high) {
  const all = [...numbers, low, high].filter((number) => number !== null && number !== undefined);
  const least = Math.min(...all);
  const most = Math.max(...all);
  const air = (most - least || Math.abs(most) || 1) * 0.12;
  return [least - air, most + air];
}

function paintBand(plot, low, high) {
  if (low === null && high === null) return;
  const { left, top, width, height } = plot.bbox;
  const upper = high === null ? top : Math.max(top, plot.valToPos(high, "y", true));
  const lower = low === null ? top + height : Math.min(top + height, plot.valToPos(low, "y", true));
  plot.ctx.save();
  plot.ctx.fillStyle = TREND_COLOURS.band;
  plot.ctx.fillRect(left, upper, width, lower - upper);
  plot.ctx.restore();
}

function paintPoints(plot, numbers, low, high) {
  const radius = 4 * devicePixelRatio;
  plot.ctx.save();
  numbers.forEach((number, index) => {
    if (number === null) return;
    const isAbnormal = (low !== null && number < low) || (high !== null && number > high);
    plot.ctx.fillStyle = isAbnormal ? TREND_COLOURS.abnormal : TREND_COLOURS.line;
    plot.ctx.beginPath();
    plot.ctx.arc(plot.valToPos(plot.data[0][index], "x", true), plot.valToPos(number, "y", true), radius, 0, 2 * Math.PI);
    plot.ctx.fill();
  });
  plot.ctx.restore();
}

function drawTrend(place) {
  const { label, unit = "", points, low = null, high = null } = JSON.parse(place.dataset.trend);
  if (!points.length) return;
  // A hole in the line before a value of another unit or method: between the two days there is a place without a number.
  const days = [];
  const numbers = [];
  for (const [day, number, breaks] of points) {
    const at = Date.parse(`${day}T00:00:00Z`) / 1000;
    if (breaks) {
      days.push((days.at(-1) + at) / 2);
      numbers.push(null);
    }
    days.push(at);
    numbers.push(number);
  }
  const shown = days.filter((_, index) => numbers[index] !== null);
  const year = 31557600;
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${label}:${points.map(([day, number, breaks]) => `${breaks ? `${breaks} ` : ""}${day} ${number}${unit}`).join(",")}`);
  const axis = { stroke: TREND_COLOURS.ink, font: '14px system-ui, "Noto Sans SC", sans-serif', grid: { stroke: TREND_COLOURS.grid, width: 1 }, ticks: { show: false } };
  const plot = new window.uPlot({
    width: Math.max(place.clientWidth, 160),
    height: TREND_HEIGHT,
    cursor: { show: false },
    legend: { show: false },
    scales: { x: { time: false, range: () => [days[0] - year / 4, days.at(-1) + year / 4] }, y: { range: () => trendExtent(numbers, low, high) } },
    axes: [{ ...axis, splits: () => shown, values: (_, splits) => splits.map(yearOf), grid: { show: false }, size: 26 }, { ...axis, size: 48, space: 28 }],
    series: [{}, { stroke: TREND_COLOURS.line, width: 2, points: { show: false } }],
    hooks: { drawClear: [(chart) => paintBand(chart, low, high)], draw: [(chart) => paintPoints(chart, numbers, low, high)] },
  }, [days, numbers], place);
  new ResizeObserver(() => plot.setSize({ width: Math.max(place.clientWidth, 160), height: TREND_HEIGHT })).observe(place);
}

async function drawTrends() {
  const places = [...document.querySelectorAll("[data-trend]:not([data-drawn])")];
  if (places.length === 0) return;
  places.forEach((place) => { place.dataset.drawn = ""; });
  await loadTrendLibrary();
  places.forEach(drawTrend);
}

document.addEventListener("DOMContentLoaded", drawTrends);
document.addEventListener("htmx:afterSettle", drawTrends);
