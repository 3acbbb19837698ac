// Words and phones on a time axis that is broken into rows, as text is into lines: between words, never within one.

import { waveform } from "./waveform.js";

const LETTERS = new Intl.Segmenter(); // a letter with its marks is one
const LEAST_FONT_PIXELS = 9, MOST_FONT_PIXELS = 15, LETTER_WIDTH = 0.6; // of the size of the font
const EDGE_PIXELS = 2; // the line at the left of a row, and what is rounded up
const NEAR_SECONDS = 0.001; // players round the time that they were sent to

export class Timeline {
  // seek: called with the seconds that were chosen. play: called to play or pause. told: called with the span to tell about.
  constructor(place, { seek, play, told }) {
    Object.assign(this, { place, seek, play, told, tiers: [], rows: [], now: [] });
    this.head = element("div", "head");
    place.addEventListener("click", (event) => this.clicked(event));
    place.addEventListener("keydown", (event) => this.pressed(event));
    place.addEventListener("keyup", (event) => event.key === " " && event.preventDefault()); // or Firefox clicks
    place.addEventListener("pointerover", ({ target }) => target.span && told(target.span));
  }

  // heard: {seconds, phones, words or null}. wave: samples of the whole recording, or null. scale: pixels per second.
  draw(heard, wave, scale) {
    this.scale = scale;
    this.now = [];
    this.tiers = [heard.words, heard.phones].filter(Boolean).map((spans) => spans.map(button));
    const leading = heard.words?.length ? heard.words : heard.phones;
    this.rows = broken(leading, heard.seconds, (this.place.clientWidth - EDGE_PIXELS) / scale);
    const color = getComputedStyle(this.place).getPropertyValue("--faint");
    for (const row of this.rows) {
      row.element = element("div", "row");
      row.element.style.width = `${(row.end - row.start) * scale}px`;
      if (wave) row.element.append(waveform(wave, row, heard.seconds, scale, color));
      row.lines = this.tiers.map((tier) => element("div", `tier ${tier === this.tiers.at(-1) ? "phones" : "words"}`));
      row.element.append(axis(row, scale), ...row.lines);
    }
    this.tiers.forEach((tier, kind) => tier.forEach((one) => this.lay(one, kind)));
    this.place.replaceChildren(...this.rows.map((row) => row.element));
    for (const tier of this.tiers) if (tier.length) tier[0].tabIndex = 0;
  }

  // Put a button where its span begins.
  lay(one, kind) {
    const { text, start, end } = one.span, row = this.rowAt(start), width = (end - start) * this.scale;
    one.style.left = `${(start - row.start) * this.scale}px`;
    one.style.width = `${width}px`;
    one.style.fontSize = `${fitting(text, width)}px`;
    row.lines[kind].append(one);
  }

  rowAt(seconds) {
    return this.rows.findLast((row) => row.start <= seconds + NEAR_SECONDS) ?? this.rows[0];
  }

  // Show where the player is.
  mark(seconds) {
    const now = this.tiers.map((tier) => at(tier, seconds)).filter((one) => one && seconds < one.span.end);
    for (const one of this.now) if (!now.includes(one)) one.classList.remove("now");
    for (const one of now) one.classList.add("now");
    this.now = now;
    const row = this.rowAt(seconds);
    if (!row) return;
    const moved = this.head.parentNode !== row.element;
    if (moved) row.element.append(this.head);
    this.head.hidden = seconds > row.end;
    this.head.style.left = `${(seconds - row.start) * this.scale}px`;
    return moved ? row.element : null;
  }

  choose(one) {
    for (const tier of this.tiers) if (tier.includes(one)) for (const other of tier) other.tabIndex = other === one ? 0 : -1;
    one.focus();
    this.told(one.span);
    this.seek(one.span.start);
  }

  clicked({ target, clientX }) {
    if (target.span) return this.choose(target);
    const row = this.rows.find(({ element }) => element.contains(target));
    if (row) this.seek(row.start + (clientX - row.element.getBoundingClientRect().left) / this.scale);
  }

  pressed(event) {
    const kind = this.tiers.findIndex((tier) => tier.includes(event.target));
    if (kind < 0) return;
    const tier = this.tiers[kind], place = tier.indexOf(event.target), { start } = event.target.span;
    const across = (other) => other && (at(other, start) ?? other[0]);
    const next = {
      ArrowLeft: () => tier[place - 1],
      ArrowRight: () => tier[place + 1],
      Home: () => tier[0],
      End: () => tier.at(-1),
      ArrowUp: () => across(this.tiers[kind - 1]),
      ArrowDown: () => across(this.tiers[kind + 1]),
      " ": () => this.play(),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    const one = next();
    if (one) this.choose(one);
  }
}

function element(tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  return made;
}

function button(span) {
  const made = element("button", "");
  made.type = "button";
  made.tabIndex = -1; // Tab leads to one of a tier, arrows to the others
  made.span = span;
  made.textContent = span.text;
  made.style.setProperty("--sure", span.confidence);
  made.setAttribute("aria-label", `${span.text}, at ${span.start.toFixed(2)} seconds`);
  return made;
}

// Size of the letters of a text that is to be so wide.
function fitting(text, pixels) {
  const letters = [...LETTERS.segment(text)].length;
  return Math.max(LEAST_FONT_PIXELS, Math.min(MOST_FONT_PIXELS, pixels / letters / LETTER_WIDTH));
}

// The last button of a tier that begins no later.
function at(tier, seconds) {
  let low = 0, high = tier.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tier[middle].span.start <= seconds + NEAR_SECONDS) low = middle + 1;
    else high = middle;
  }
  return tier[low - 1];
}

// Rows of at most so many seconds, {start, end}; what is left of a pause at the end of a row is left out.
function broken(spans, seconds, most) {
  const rows = [];
  let start = 0;
  for (const span of spans) {
    if (span.end - start <= most || span.start === start) continue;
    rows.push({ start, end: Math.min(span.start, start + most) });
    start = span.start;
  }
  const last = spans.at(-1)?.end ?? 0;
  rows.push({ start, end: Math.max(last, Math.min(seconds, start + most)) });
  return rows;
}

// A tick each second, as minutes:seconds.
function axis({ start, end }, scale) {
  const made = element("div", "axis");
  for (let second = Math.ceil(start); second < end; second++) {
    const tick = element("span", "");
    tick.style.left = `${(second - start) * scale}px`;
    tick.textContent = `${Math.floor(second / 60)}:${String(second % 60).padStart(2, "0")}`;
    made.append(tick);
  }
  return made;
}
