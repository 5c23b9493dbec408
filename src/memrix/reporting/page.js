// Draws every chart of the page; narrow ones with shorter names.
"use strict";
const LONGEST_NAME = 18;
const NARROW = 560; // px
const BASE = {
  font: { family: "system-ui, sans-serif", color: "#222222" },
  margin: { l: 12, r: 12, t: 12, b: 12 }, showlegend: false,
  paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff", hovermode: "closest", dragmode: false,
};
const CONFIG = { responsive: true, displayModeBar: false };

function shortened(name) {
  if (name.includes("<br>")) return name;
  // A name may hold character references, which must not be cut.
  const parts = name.match(/&#?\w+;|[^]/g) || [];
  return parts.length > LONGEST_NAME ? "…" + parts.slice(1 - LONGEST_NAME).join("") : name;
}

function draw(node) {
  const chart = JSON.parse(node.previousElementSibling.textContent);
  const narrow = node.clientWidth < NARROW;
  const layout = { ...BASE, font: { ...BASE.font, size: narrow ? 12 : 13 }, ...chart.layout };
  for (const axis of Object.keys(layout).filter((name) => /^[xy]axis/.test(name))) {
    const settings = { gridcolor: "#e6e6e6", linecolor: "#999999", fixedrange: true, ...layout[axis] };
    if (narrow && axis.startsWith("y") && settings.ticktext) {
      settings.ticktext = settings.ticktext.map(shortened);
      settings.tickfont = { size: 11 };
    }
    layout[axis] = settings;
  }
  Plotly.react(node, chart.data, layout, CONFIG);
}

const nodes = document.querySelectorAll(".plot");
nodes.forEach(draw);
window.matchMedia(`(max-width: ${NARROW + 40}px)`).addEventListener("change", () => nodes.forEach(draw));
