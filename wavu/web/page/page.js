// The page: takes a recording, sends it, shows what was heard.

import { record } from "./recorder.js";
import { Timeline } from "./timeline.js";
import { decoded } from "./waveform.js";

const $ = (id) => document.getElementById(id);
const player = $("player");
const timeline = new Timeline($("timeline"), {
  seek: (seconds) => { player.currentTime = seconds; },
  play: () => { player.paused ? player.play() : player.pause(); },
  told: ({ text, start, end, confidence }) => {
    $("readout").textContent = `${text} · ${start.toFixed(2)} to ${end.toFixed(2)} s · confidence ${confidence.toFixed(2)}`;
  },
});
let model = null, shown = null, busy = false, recorder = null, links = [];

// What the server takes and says

async function asked(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server gave no answer. Is wavu.serve still running?");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? `The server answered ${answer.status} ${answer.statusText}.`);
  return body;
}

async function opened() {
  model = await asked("model");
  $("model").textContent = `${model.name}: ${model.phones.length} phones${model.words ? ", words" : ", no words"}`;
  $("limits").textContent = `or drop one here: up to ${length(model.limits.seconds)}, ${model.limits.megabytes} MB`;
  const facts = [model.warning && sentence(model.warning), model.verdict && sentence(`${model.verdict} (a verdict without labels)`), model.encoder_has_seen && sentence(model.encoder_has_seen)];
  for (const fact of [...facts, `Phones: ${model.phones.join(" ")}`].filter(Boolean)) {
    $("about").append(Object.assign(document.createElement("p"), { textContent: fact }));
  }
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
const length = (seconds) => (seconds < 120 ? `${seconds} s` : `${+(seconds / 60).toFixed(1)} min`);

async function heard(file) {
  if (busy || !file) return;
  $("error").textContent = "";
  if (model && file.size > model.limits.megabytes * 1e6) {
    return failed(new Error(`${file.name} has ${(file.size / 1e6).toFixed(1)} MB; at most ${model.limits.megabytes} MB are taken.`));
  }
  busied(true, `Hearing ${file.name} …`);
  const form = new FormData();
  form.append("audio", file);
  try {
    const [answer, wave] = await Promise.all([asked("transcribe", { method: "POST", body: form }), decoded(file)]);
    show(file, answer, wave);
  } catch (error) {
    failed(new Error(`${file.name}: ${error.message}`));
  } finally {
    busied(false, "");
  }
}

function busied(state, line) {
  busy = state;
  $("drop").setAttribute("aria-busy", state);
  $("file").disabled = $("record").disabled = state;
  $("record").disabled ||= !navigator.mediaDevices;
  $("status").textContent = line;
}

function failed(error) {
  $("error").textContent = error.message;
}

// What is shown

function show(file, answer, wave) {
  for (const link of links) URL.revokeObjectURL(link);
  links = [];
  const link = (blob) => links[links.push(URL.createObjectURL(blob)) - 1];
  shown = { answer, wave };
  player.src = link(file);
  $("result").hidden = false;
  $("name").textContent = file.name;
  const spans = answer.words ?? answer.phones;
  $("text").textContent = spans.map(({ text }) => text).join(" ") || "Nothing was heard in it.";
  $("readout").textContent = "";
  $("downloads").replaceChildren(...answer.downloads.map(({ format, name, text }) => {
    const href = link(new Blob([text], { type: "text/plain" }));
    return Object.assign(document.createElement("a"), { href, download: name, textContent: format });
  }));
  draw();
}

function draw() {
  if (!shown) return;
  timeline.draw(shown.answer, shown.wave, +$("scale").value);
  timeline.mark(player.currentTime);
}

function follow() {
  const row = timeline.mark(player.currentTime);
  if (player.paused) return;
  row?.scrollIntoView({ block: "nearest" });
  requestAnimationFrame(follow);
}

// What people do

$("file").addEventListener("change", async ({ target }) => {
  await heard(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});
for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", over);
    if (name === "drop") heard(event.dataTransfer.files[0]);
  });
}

$("record").addEventListener("click", async () => {
  if (recorder) return stopped();
  $("error").textContent = "";
  try {
    recorder = await record(recorded);
  } catch (error) {
    return failed(new Error(`The microphone cannot be used: ${error.message}.`));
  }
  $("record").textContent = "Stop";
  $("record").classList.add("running");
  $("file").disabled = true;
});

function recorded(seconds) {
  $("status").textContent = `Recording: ${seconds.toFixed(0)} s`;
  const { limits } = model ?? { limits: { seconds: Infinity, megabytes: Infinity } };
  if (recorder && seconds > 0.98 * Math.min(limits.seconds, (limits.megabytes * 1e6) / recorder.bytesPerSecond)) stopped();
}

async function stopped() {
  const running = recorder;
  recorder = null;
  $("record").textContent = "Record";
  $("record").classList.remove("running");
  await heard(await running.stop());
}

player.addEventListener("play", follow);
for (const name of ["seeking", "timeupdate", "pause"]) player.addEventListener(name, () => timeline.mark(player.currentTime));
player.addEventListener("error", () => {
  failed(new Error("The browser cannot play this format; what was heard in it is below all the same."));
});
$("scale").addEventListener("input", draw);
new ResizeObserver(draw).observe($("timeline"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

busied(false, navigator.mediaDevices ? "" : "Recording needs https or localhost: browsers give the microphone to no other page.");
opened().catch(failed);
