"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5cc9", "#b8860b", "#1f9fd0", "#a33b3b", "#5b7f2b",
    "#8c564b", "#d6278a", "#4c6b8a", "#00857c", "#e07b39", "#6a4c93", "#3f7d20"];
  const colour = (i) => PALETTE[i % PALETTE.length];
  const NS = "http://www.w3.org/2000/svg";

  function svg(tag, attributes, ...children) {
    const node = document.createElementNS(NS, tag);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    for (const child of children) node.append(child);
    return node;
  }
  const label = (x, y, text, attributes) => svg("text", { x, y, ...attributes }, text);
  const hint = (text) => svg("title", {}, text);
  const round = (x) => Math.round(x * 100) / 100;

  function format(x) {
    if (x === null || x === undefined || !Number.isFinite(x)) return "–";
    if (x === 0) return "0";
    const size = Math.abs(x);
    if (size >= 1e5 || size < 1e-3) return x.toExponential(2);
    return String(Number(x.toPrecision(4)));
  }
  function duration(seconds) {
    if (seconds >= 5400) return format(seconds / 3600) + " h";
    if (seconds >= 90) return format(seconds / 60) + " min";
    return format(seconds) + " s";
  }
  /* Ticks of a time axis, whole in the unit that fits. */
  function times(total, wanted) {
    const [size, unit] = total >= 5400 ? [3600, "h"] : total >= 90 ? [60, "min"] : [1, "s"];
    return ticks(0, total / size, wanted).map((t) => [t * size, format(t) + " " + unit]);
  }
  function ticks(low, high, wanted) {
    const raw = (high - low) / Math.max(1, wanted) || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw) || 10 * power;
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(Number((k * step).toPrecision(12)));
    return found;
  }
  function scale(low, high, from, to) {
    const span = high > low ? high - low : 1;
    return (x) => round(from + ((x - low) / span) * (to - from));
  }
  function path(points) {
    return points.map(([x, y], i) => (i ? "L" : "M") + round(x) + " " + round(y)).join("");
  }

  /* A frame with axes; returns the node, both scales and the plot's box. */
  function frame(options) {
    const { width, height, x, y, left = 52, right = 12, top = 10, bottom = 30, title } = options;
    const node = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, hint(title));
    const sx = scale(x[0], x[1], left, width - right);
    const sy = scale(y[0], y[1], height - bottom, top);
    for (const value of options.yTicks || ticks(y[0], y[1], 4)) {
      node.append(svg("line", { x1: left, x2: width - right, y1: sy(value), y2: sy(value), stroke: "#e6eaee" }));
      node.append(label(left - 6, sy(value) + 4, format(value), { "text-anchor": "end" }));
    }
    for (const value of options.xTicks || ticks(x[0], x[1], 6)) {
      node.append(label(sx(value), height - bottom + 14, options.xFormat ? options.xFormat(value) : format(value), { "text-anchor": "middle" }));
    }
    if (options.xLabel) node.append(label((left + width - right) / 2, height - 3, options.xLabel, { "text-anchor": "middle" }));
    if (options.yLabel) {
      const middle = (top + height - bottom) / 2;
      node.append(label(12, middle, options.yLabel, { "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }));
    }
    return { node, sx, sy, left, right: width - right, top, bottom: height - bottom };
  }

  /* ---------------------------------------------------------------- chip */
  function shade(value, low, high) {
    if (value === null) return "#eceff2";
    const t = Math.max(0, Math.min(1, (value - low) / (high - low || 1)));
    const from = [247, 250, 252], to = [214, 96, 77];
    return "rgb(" + from.map((f, i) => Math.round(f + t * (to[i] - f))).join(",") + ")";
  }
  function quantile(values, q) {
    const sorted = values.filter((v) => v !== null).sort((a, b) => a - b);
    return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] : 0;
  }

  /* Cycles of all jobs run side by side unless a joint plan staggers them over slots. */
  const during = (job, slot) => job.cycles.find((cycle) => cycle.slot <= slot && slot < cycle.slot + (cycle.length || 1));
  const moment = (run) => (run.slots > run.cycles ? "slot" : "cycle");

  function chip(run, holder, cycle) {
    const { points, couplers, readout } = run.chip;
    const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
    const spanX = Math.max(...xs) - Math.min(...xs) || 1, spanY = Math.max(...ys) - Math.min(...ys) || 1;
    const width = 1100, pad = 26;
    const unit = Math.min((width - 2 * pad) / spanX, 760 / spanY);
    const height = Math.max(90, spanY * unit + 2 * pad);
    const shift = (width - spanX * unit) / 2;
    const at = points.map(([x, y]) => [round(shift + (x - Math.min(...xs)) * unit), round(pad + (y - Math.min(...ys)) * unit)]);
    let nearest = Infinity;
    for (const [a, b] of couplers) nearest = Math.min(nearest, Math.hypot(at[a][0] - at[b][0], at[a][1] - at[b][1]));
    const radius = Math.max(3, Math.min(17, 0.36 * nearest));
    const owner = new Map();
    run.jobs.forEach((job, j) => (during(job, cycle)?.layout || []).forEach((q, i) => owner.set(q, [j, i])));
    const held = run.jobs.filter((job) => during(job, cycle)).length;
    const title = `${run.device}, ${moment(run)} ${cycle + 1}: ${owner.size} of ${points.length} qubits held by ${held} jobs`;
    const node = svg("svg", { viewBox: `0 0 ${width} ${round(height)}`, role: "img", "aria-label": title }, hint(title));
    const edges = svg("g", { "stroke-linecap": "round" }), qubits = svg("g", { "text-anchor": "middle" });
    const worst = quantile(couplers.map((c) => c[2]), 0.9);
    for (const [a, b, error, alive] of couplers) {
      const inside = owner.has(a) && owner.has(b) && owner.get(a)[0] === owner.get(b)[0];
      const stroke = inside ? colour(owner.get(a)[0]) : alive ? "#c3cbd4" : "#c0392b";
      edges.append(svg("line", {
        x1: at[a][0], y1: at[a][1], x2: at[b][0], y2: at[b][1], stroke,
        "stroke-width": inside ? 7 : 2, ...(alive ? {} : { "stroke-dasharray": "2 5" }),
      }, hint(`coupler ${a}–${b}: ` + (alive ? `error ${format(error)}${error > worst ? " (worst tenth)" : ""}` : "dead"))));
    }
    const low = quantile(readout, 0.05), high = quantile(readout, 0.95);
    points.forEach((_, q) => {
      const mine = owner.get(q);
      const fill = mine ? colour(mine[0]) : shade(readout[q], low, high);
      const text = `qubit ${q}: readout error ${format(readout[q])}` + (mine ? `; ${run.jobs[mine[0]].name}, logical qubit ${mine[1]}` : "; idle");
      qubits.append(svg("circle", { cx: at[q][0], cy: at[q][1], r: round(radius), fill, stroke: mine ? "#fff" : "#9aa5b1", "stroke-width": mine ? 1.5 : 1 }, hint(text)));
      if (radius >= 8) {
        const size = radius >= 11 ? 10.5 : 8.5;
        const number = label(at[q][0], at[q][1] + size * 0.36, q, { "font-size": size, "pointer-events": "none" });
        number.setAttribute("fill", mine ? "#fff" : "#46525f");
        number.style.fill = mine ? "#fff" : "#46525f";
        qubits.append(number);
      }
    });
    node.append(edges, qubits);
    holder.replaceChildren(node);
  }

  /* ---------------------------------------------------------------- jobs */
  function espChart(job, j, range) {
    const C = job.cycles.length;
    const f = frame({ width: 500, height: 150, x: [0, C], y: range, yLabel: "ESP", bottom: 20, title: `ESP by cycle of ${job.name}`,
      xTicks: job.cycles.map((_, c) => c + 0.5), xFormat: (c) => String(Math.round(c + 0.5)) });
    job.cycles.forEach((cycle, c) => {
      if (cycle.target !== null) f.node.append(svg("line", { x1: f.sx(c + 0.06), x2: f.sx(c + 0.94), y1: f.sy(cycle.target), y2: f.sy(cycle.target), stroke: "#1b2430", "stroke-width": 1.6, "stroke-dasharray": "4 3" }));
      const jump = cycle.move === "jump";
      f.node.append(svg("rect", { x: f.sx(c + 0.14), y: f.sy(Math.max(cycle.esp, range[0])), width: round(f.sx(c + 0.86) - f.sx(c + 0.14)), height: round(f.bottom - f.sy(Math.max(cycle.esp, range[0]))), fill: colour(j), opacity: jump ? 0.35 : 0.75, rx: 2 },
        hint(`cycle ${c + 1}: target ${format(cycle.target)}, achieved ${format(cycle.esp)}, ${cycle.move}, qubits ${cycle.layout.join(" ")}`)));
    });
    f.node.append(svg("line", { x1: f.left, x2: f.right, y1: f.sy(job.best_esp), y2: f.sy(job.best_esp), stroke: "#8a95a1", "stroke-width": 1 }));
    f.node.append(label(f.right, f.sy(job.best_esp) - 3, "best alone", { "text-anchor": "end" }));
    return f.node;
  }

  function energyChart(job, j) {
    const values = job.values, levels = [...values];
    if (job.exact !== null) levels.push(job.exact);
    if (job.baseline !== null) levels.push(job.baseline);
    let low = Math.min(...levels), high = Math.max(...levels);
    const margin = 0.05 * (high - low || 1);
    low -= margin; high += margin;
    const f = frame({ width: 500, height: 215, x: [0, job.counts[job.counts.length - 1]], y: [low, high], yLabel: "⟨H⟩", xLabel: "evaluations", bottom: 34, title: `measured energy of ${job.name}` });
    let end = 0;
    for (const cycle of job.cycles.slice(0, -1)) {
      end += cycle.evaluations;
      f.node.append(svg("line", { x1: f.sx(end), x2: f.sx(end), y1: f.top, y2: f.bottom, stroke: "#e6eaee", "stroke-dasharray": "3 3" }));
    }
    const near = job.exact !== null && job.baseline !== null && Math.abs(f.sy(job.exact) - f.sy(job.baseline)) < 15;
    for (const [value, name, dash, aside] of [[job.exact, "exact", "6 3", 0], [job.baseline, job.baseline_name || "baseline", "2 3", near ? 44 : 0]]) {
      if (value === null) continue;
      f.node.append(svg("line", { x1: f.left, x2: f.right, y1: f.sy(value), y2: f.sy(value), stroke: "#1b2430", "stroke-dasharray": dash }));
      f.node.append(label(f.left + 4 + aside, f.sy(value) - 4, name, { class: "strong" }));
    }
    const dots = values.map((v, i) => `M${f.sx(job.counts[i])} ${f.sy(v)}h0`).join("");
    f.node.append(svg("path", { d: dots, stroke: colour(j), "stroke-width": 3.4, "stroke-linecap": "round", opacity: 0.32, fill: "none" }));
    let best = Infinity;
    const stairs = [];
    values.forEach((v, i) => {
      if (stairs.length) stairs.push([f.sx(job.counts[i]), f.sy(best)]);
      best = Math.min(best, v);
      stairs.push([f.sx(job.counts[i]), f.sy(best)]);
    });
    f.node.append(svg("path", { d: path(stairs), stroke: colour(j), "stroke-width": 2, fill: "none" }));
    return f.node;
  }

  function jobs(run, holder) {
    const all = run.jobs.flatMap((job) => [job.best_esp, ...job.cycles.flatMap((c) => [c.esp, ...(c.target === null ? [] : [c.target])])]);
    const range = [Math.max(0, Math.floor((Math.min(...all) - 0.06) * 20) / 20), Math.min(1, Math.ceil((Math.max(...all) + 0.04) * 20) / 20)];
    holder.replaceChildren(...run.jobs.map((job, j) => {
      const card = document.createElement("article");
      card.className = "job";
      const name = document.createElement("h3");
      name.textContent = job.name;
      const about = document.createElement("p");
      about.textContent = `${job.kind} · ${job.num_qubits} qubits · ${job.strategy} · lowest ${format(job.measured)} ± ${format(job.measured_std)}`;
      card.append(name, about, espChart(job, j, range));
      if (job.values.length) card.append(energyChart(job, j));
      return card;
    }));
  }

  /* --------------------------------------------------------------- gantt */
  function gantt(run, holder) {
    const total = run.usage.device_seconds || 1, row = 22, left = 132, width = 1100, top = 92;
    const height = top + row * run.jobs.length + 34;
    const title = `utilisation of ${run.device} over ${duration(total)} of machine time`;
    const node = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, hint(title));
    const sx = scale(0, total, left, width - 12);
    const spans = run.usage.spans;
    const held = spans.map(([cycle]) => run.jobs.reduce((sum, job) => sum + (during(job, cycle)?.layout.length || 0), 0) / run.chip.points.length);
    const peak = Math.min(1, Math.max(0.1, Math.ceil(Math.max(...held, 0) * 10 + 0.5) / 10)), sy = scale(0, peak, 78, 12);
    for (const value of [0, peak / 2, peak]) {
      node.append(svg("line", { x1: left, x2: width - 12, y1: sy(value), y2: sy(value), stroke: "#e6eaee" }));
      node.append(label(left - 6, sy(value) + 4, format(100 * value) + " %", { "text-anchor": "end" }));
    }
    node.append(label(10, 48, "qubits held"));
    spans.forEach(([, start, end], i) => node.append(svg("rect", { x: sx(start), y: sy(held[i]), width: Math.max(1, sx(end) - sx(start) - 1), height: round(sy(0) - sy(held[i])), fill: "#9fc3e6" }, hint(`${moment(run)} ${spans[i][0] + 1}: ${format(100 * held[i])} % of the qubits`))));
    for (const [value, text] of times(total, 8)) {
      node.append(svg("line", { x1: sx(value), x2: sx(value), y1: top, y2: height - 30, stroke: "#e6eaee" }));
      node.append(label(sx(value), height - 15, text, { "text-anchor": "middle" }));
    }
    node.append(label((left + width) / 2, height - 2, "machine time", { "text-anchor": "middle" }));
    run.jobs.forEach((job, j) => {
      const y = top + j * row;
      const short = job.name.length > 18 ? job.name.slice(0, 17) + "…" : job.name;
      node.append(label(left - 8, y + 15, short, { "text-anchor": "end", class: "strong" }));
      spans.forEach(([cycle, start], i) => {
        const here = during(job, cycle);
        if (!here || !here.evaluations || here.slot !== cycle) return;
        /* A cycle may last over several spans; beside others of one slot it may end before them. */
        const next = spans.slice(i + 1).find(([slot]) => slot >= here.slot + (here.length || 1));
        const end = next ? next[1] : total;
        const alike = run.jobs.map((other) => during(other, cycle)).filter((other) => other && other.slot === here.slot && (other.length || 1) === (here.length || 1));
        const stop = start + (end - start) * (here.evaluations / Math.max(...alike.map((other) => other.evaluations)));
        const relative = Math.max(0, Math.min(1, here.esp / job.best_esp));
        node.append(svg("rect", { x: sx(start), y: y + 3, width: Math.max(1, round(sx(stop) - sx(start) - 1)), height: row - 6, rx: 3, fill: colour(j), opacity: round(0.25 + 0.75 * Math.max(0, (relative - 0.5) * 2)) },
          hint(`${job.name}, cycle ${job.cycles.indexOf(here) + 1}: ESP ${format(here.esp)} (${format(100 * relative)} % of its best), ${here.evaluations} evaluations`)));
      });
    });
    holder.replaceChildren(node);
  }

  /* ---------------------------------------------------------- strategies */
  function comparison(groups, holder) {
    holder.replaceChildren(...groups.map((group) => {
      const rows = group.rows, row = 26, left = 128, right = 100, width = 540, height = row * rows.length + 40;
      const box = document.createElement("article");
      box.className = "job";
      const name = document.createElement("h3");
      name.textContent = group.job;
      const about = document.createElement("p");
      about.textContent = group.metric;
      const zero = group.paired ? [0] : [];
      const low = Math.min(...zero, ...rows.map((r) => r.low)), high = Math.max(...zero, ...rows.map((r) => r.high));
      const margin = 0.08 * (high - low || Math.abs(high) || 1);
      const sx = scale(low - margin, high + margin, left, width - right);
      const title = `${group.metric} of ${group.job} by strategy, mean and ${format(100 * group.level)} % interval`;
      const node = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, hint(title));
      for (const value of ticks(low - margin, high + margin, 4)) {
        node.append(svg("line", { x1: sx(value), x2: sx(value), y1: 4, y2: height - 30, stroke: "#e6eaee" }));
        node.append(label(sx(value), height - 14, format(value), { "text-anchor": "middle" }));
      }
      if (group.paired) node.append(svg("line", { x1: sx(0), x2: sx(0), y1: 4, y2: height - 30, stroke: "#1b2430" }));
      rows.forEach((r, i) => {
        const y = 18 + i * row, tint = r.control ? "#5b6775" : "#0b5cad";
        node.append(label(left - 10, y + 4, r.strategy, { "text-anchor": "end", class: "strong" }));
        node.append(svg("line", { x1: sx(r.low), x2: sx(r.high), y1: y, y2: y, stroke: tint, "stroke-width": 3, "stroke-linecap": "round", opacity: 0.55 }));
        node.append(svg("circle", { cx: sx(r.best), cy: y, r: 5, fill: tint }, hint(`${r.strategy}: ${format(r.best)} [${format(r.low)}, ${format(r.high)}], n = ${r.samples}`)));
        node.append(label(width - right + 8, y + 4, `${format(Number(r.best.toPrecision(group.paired ? 2 : 4)))} (n = ${r.samples})`));
      });
      box.append(name, about, node);
      return box;
    }));
  }

  /* ------------------------------------------------------------- wiring */
  const find = (id) => document.getElementById(id);
  /* A link may name what to show first: report.html#run=1&cycle=3 */
  const wanted = new URLSearchParams(location.hash.slice(1));
  const whole = (key, most) => Math.max(0, Math.min(most, Math.trunc(Number(wanted.get(key)) || 1) - 1));
  const slider = find("cycle"), shown = find("cycle-shown"), play = find("play"), picker = find("run");
  let run = data.runs[whole("run", data.runs.length - 1)], timer = null;

  function drawCycle() {
    const cycle = Number(slider.value);
    shown.textContent = `${moment(run)} ${cycle + 1} of ${run.slots}`;
    slider.setAttribute("aria-valuetext", shown.textContent);
    chip(run, find("chip"), cycle);
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  function draw(cycle) {
    stop();
    slider.max = run.slots - 1;
    slider.value = cycle;
    find("legend").replaceChildren(...run.jobs.map((job, j) => {
      const item = document.createElement("li"), swatch = document.createElement("i");
      swatch.style.background = colour(j);
      item.append(swatch, job.name);
      return item;
    }));
    drawCycle();
    jobs(run, find("jobs"));
    gantt(run, find("gantt"));
    document.querySelectorAll("[data-run]").forEach((node) => { node.hidden = node.dataset.run !== run.campaign; });
  }
  slider.addEventListener("input", () => { stop(); drawCycle(); });
  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    play.textContent = "Pause";
    timer = setInterval(() => { slider.value = (Number(slider.value) + 1) % run.slots; drawCycle(); }, 900);
  });
  picker?.addEventListener("change", () => { run = data.runs[Number(picker.value)]; draw(0); });
  if (picker) picker.value = String(data.runs.indexOf(run));
  draw(whole("cycle", run.slots - 1));
  if (data.comparison.length) comparison(data.comparison, find("comparison"));
  document.documentElement.dataset.drawn = "yes";
})();
