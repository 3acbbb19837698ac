"use strict";
// Each example: a click or the keyboard's focus on a word or phone seeks, and what is being said is marked.
for (const example of document.querySelectorAll(".example")) {
  const audio = example.querySelector("audio");
  const track = example.querySelector(".track");
  if (!audio || !track) continue;
  const strip = track.parentElement;
  const head = track.querySelector(".playhead");
  const spans = [...track.querySelectorAll("button")];
  const length = Number(track.style.getPropertyValue("--seconds"));

  const mark = () => {
    const now = audio.currentTime;
    head.style.left = `${(100 * Math.min(now, length)) / length}%`;
    for (const span of spans) span.classList.toggle("now", now >= Number(span.dataset.start) && now < Number(span.dataset.end));
  };
  const follow = () => {
    const place = head.offsetLeft - strip.scrollLeft;
    if (place < 0 || place > strip.clientWidth * 0.9) strip.scrollLeft = head.offsetLeft - strip.clientWidth * 0.1;
  };
  const step = () => {
    mark();
    follow();
    if (!audio.paused) requestAnimationFrame(step);
  };
  const seek = (seconds) => {
    audio.currentTime = seconds;
    mark();
  };
  const toggle = () => (audio.paused ? audio.play() : audio.pause());

  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    requestAnimationFrame(step);
  });
  audio.addEventListener("seeked", mark);
  audio.addEventListener("pause", mark);
  track.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const box = track.getBoundingClientRect();
    seek(button ? Number(button.dataset.start) : (length * (event.clientX - box.left)) / box.width);
  });
  track.addEventListener("focusin", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    // One stop of Tab for each tier: the arrows move within it, and Tab comes back to where they were.
    for (const span of button.parentElement.children) span.tabIndex = span === button ? 0 : -1;
    seek(Number(button.dataset.start));
  });
  track.addEventListener("keydown", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const row = [...button.parentElement.children];
    const at = row.indexOf(button);
    const next = { ArrowRight: row[at + 1], ArrowLeft: row[at - 1], Home: row[0], End: row[row.length - 1] }[event.key];
    if (next) next.focus();
    if (event.key === " ") toggle();
    if (next || event.key === " ") event.preventDefault();
  });
  track.addEventListener("keyup", (event) => {
    if (event.key === " ") event.preventDefault(); // or the button would be clicked, and seek back
  });
}
