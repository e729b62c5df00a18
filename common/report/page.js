"use strict";
const { runs, groups, axes, scores } = JSON.parse(document.getElementById("content").textContent);
const palette = ["#4477dd", "#e07b00", "#2a9d55", "#d1495b", "#8f63c9", "#9a6b4f", "#d36bb0", "#7a8a99", "#a3a300", "#1fa3b5"];
const dashes = ["", "7 3", "2 3"];
const colour = group => palette[group % palette.length];
const dash = group => dashes[Math.floor(group / palette.length) % dashes.length];

// --- numbers as people read them

function clock(seconds) {
  const whole = Math.round(seconds), two = n => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function reading(axis, value) {
  if (axis === "seconds") return clock(value);
  if (axis === "epoch") return `epoch ${Number(value.toFixed(2))}`;
  return `${Math.round(value).toLocaleString("en")} ${axis === "images" ? "images" : "steps"}`;
}

function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

// --- the slider moves all runs along the chosen axis

document.querySelectorAll("figure").forEach(figure => {
  const last = runs[figure.dataset.run].frames.at(-1);
  if (last) last.src = figure.querySelector("img").getAttribute("src");
});
const slider = document.getElementById("at");
let axis = "epoch";
const shown = new Set(groups.keys());

function farthest() {
  const ends = runs.flatMap(run => run.frames.map(frame => frame[axis]));
  groups.forEach(group => Object.values(group.curves).forEach(curve => ends.push(curve[axis].at(-1))));
  return Math.max(0, ...ends) || 1;
}

function place() { return slider.value / slider.max * farthest(); }

function move() {
  const at = place();
  const text = reading(axis, at);
  document.getElementById("reading").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  document.querySelectorAll("figure").forEach(figure => {
    const { frames } = runs[figure.dataset.run];
    if (!frames.length) return;
    const frame = frames.findLast(one => one[axis] <= at * (1 + 1e-6));
    const picture = figure.querySelector("img");
    picture.hidden = !frame;
    figure.querySelector(".empty").hidden = Boolean(frame);
    if (frame && picture.getAttribute("src") !== frame.src) picture.src = frame.src;
    const when = frame ? reading("epoch", frame.epoch) + (axis === "epoch" ? "" : `, ${reading(axis, frame[axis])}`) : "";
    figure.querySelector(".when").textContent = when;
  });
  document.querySelectorAll("line.at").forEach(line => {
    const x = LEFT + (WIDTH - LEFT - RIGHT) * Math.min(1, at / farthest());
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
  });
}

// --- curves

const WIDTH = 460, HEIGHT = 240, LEFT = 48, RIGHT = 10, TOP = 8, BOTTOM = 30;

function element(name, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(value);
  return found;
}

function range(figure) {
  // A few wild values at the start must not flatten all the rest.
  const there = groups.filter((group, i) => shown.has(i) && group.curves[figure]).map(group => group.curves[figure]);
  const values = there.flatMap(curve => [...curve.low, ...curve.high]);
  if (!values.length) return null;
  values.sort((a, b) => a - b);
  let [low, high] = [0.01, 0.99].map(share => values[Math.round(share * (values.length - 1))]);
  if (values.length < 50) [low, high] = [values[0], values.at(-1)];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - margin, high + margin];
}

function path(xs, ys, x, y) {
  return xs.map((value, i) => `${i ? "L" : "M"}${x(value).toFixed(1)} ${y(ys[i]).toFixed(1)}`).join("");
}

function chart(figure, number) {
  const box = document.createElement("div"), title = document.createElement("h3");
  title.textContent = scores[figure] || figure.replaceAll("_", " ");
  box.append(title);
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title.textContent} by ${axes[axis]}` });
  box.append(svg);
  const bounds = range(figure);
  if (!bounds) return box;
  const [low, high] = bounds, end = farthest();
  const x = value => LEFT + (WIDTH - LEFT - RIGHT) * value / end;
  const y = value => TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low);
  const clip = element("clipPath", { id: `clip${number}` }, svg);
  element("rect", { x: LEFT, y: TOP, width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM }, clip);
  for (const value of ticks(low, high, 5)) {
    element("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), stroke: "var(--line)" }, svg);
    element("text", { x: LEFT - 5, y: y(value) + 4, "text-anchor": "end" }, svg, short(value));
  }
  for (const value of ticks(0, end, 5)) {
    const label = axis === "seconds" ? clock(value) : short(value);
    element("text", { x: x(value), y: HEIGHT - BOTTOM + 15, "text-anchor": "middle" }, svg, label);
  }
  element("text", { x: WIDTH - RIGHT, y: HEIGHT - 2, "text-anchor": "end" }, svg, axes[axis]);
  const lines = element("g", { "clip-path": `url(#clip${number})`, fill: "none" }, svg);
  groups.forEach((group, i) => {
    const curve = group.curves[figure];
    if (!curve || !shown.has(i)) return;
    const xs = curve[axis];
    if (curve.low.some((value, j) => value !== curve.high[j])) {
      const there = path(xs, curve.high, x, y), back = path([...xs].reverse(), [...curve.low].reverse(), x, y);
      element("path", { d: `${there}L${back.slice(1)}Z`, fill: colour(i), "fill-opacity": 0.2 }, lines);
    }
    if (xs.length === 1) element("circle", { cx: x(xs[0]), cy: y(curve.mean[0]), r: 3, fill: colour(i) }, lines);
    element("path", { d: path(xs, curve.mean, x, y), stroke: colour(i), "stroke-width": 1.7, "stroke-dasharray": dash(i) }, lines);
  });
  element("line", { class: "at", y1: TOP, y2: HEIGHT - BOTTOM, stroke: "var(--soft)", "stroke-dasharray": "3 3" }, svg);
  return box;
}

function draw() {
  const figures = [...new Set(groups.flatMap(group => Object.keys(group.curves)))];
  const rank = name => (name in scores ? 0 : name.endsWith("_loss") ? 1 : 2);
  figures.sort((a, b) => rank(a) - rank(b));
  document.getElementById("charts").replaceChildren(...figures.map(chart));
  move();
}

// --- the legend, where a run can be left out

groups.forEach((group, i) => {
  const label = document.createElement("label"), box = document.createElement("input"), swatch = document.createElement("span");
  Object.assign(box, { type: "checkbox", checked: true });
  box.addEventListener("change", () => { box.checked ? shown.add(i) : shown.delete(i); draw(); });
  swatch.className = "swatch";
  swatch.dataset.group = i;
  label.append(box, " ", swatch, group.name);
  document.getElementById("legend").append(label);
});
document.querySelectorAll(".swatch").forEach(swatch => {
  swatch.style.borderTopColor = colour(swatch.dataset.group);
  swatch.style.borderTopStyle = dash(swatch.dataset.group) ? "dashed" : "solid";
});

// --- tables sorted by a click, blanks last

document.querySelectorAll("table.scores th button").forEach(button => button.addEventListener("click", () => {
  const head = button.closest("th"), column = head.cellIndex, body = head.closest("table").tBodies[0];
  const upwards = head.getAttribute("aria-sort") !== "ascending";
  head.parentElement.querySelectorAll("th").forEach(th => th.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
  const value = row => row.cells[column].dataset.value;
  const ordered = [...body.rows].sort((a, b) => {
    const [one, other] = [value(a), value(b)];
    if (one === "" || other === "") return (one === "") - (other === "");
    const order = column ? one - other : one.localeCompare(other);
    return upwards ? order : -order;
  });
  body.append(...ordered);
}));

// --- settings and score: which score is shown

document.querySelectorAll(".choice").forEach(choice => {
  const views = choice.parentElement.querySelectorAll("[data-score]"), select = choice.querySelector("select");
  choice.hidden = false;
  select.addEventListener("change", () => views.forEach(view => { view.hidden = view.dataset.score !== select.value; }));
});

document.querySelectorAll("input[name=axis]").forEach(radio => radio.addEventListener("change", () => {
  axis = radio.value;
  draw();
}));
slider.addEventListener("input", move);
draw();
