// The wave of a recording, as far as the browser can decode it: a picture to find one's way by.

const RATE_HZ = 16000, HEIGHT_PIXELS = 36;

// Samples in [-1, 1] of the first channel, or null where the browser does not know the format.
export async function decoded(file) {
  try {
    const context = new OfflineAudioContext(1, 1, RATE_HZ);
    return (await context.decodeAudioData(await file.arrayBuffer())).getChannelData(0);
  } catch {
    return null;
  }
}

// A row's part of a wave that is so many seconds long, from lowest to highest sample of each pixel.
export function waveform(wave, { start, end }, seconds, scale, color) {
  const canvas = document.createElement("canvas"), sharp = window.devicePixelRatio;
  const width = Math.max(1, Math.ceil((end - start) * scale));
  canvas.width = width * sharp;
  canvas.height = HEIGHT_PIXELS * sharp;
  canvas.style.width = `${width}px`;
  const drawing = canvas.getContext("2d"), middle = canvas.height / 2, perSecond = wave.length / seconds, loudest = peak(wave);
  drawing.fillStyle = color;
  for (let x = 0; x < canvas.width; x++) {
    const from = Math.floor((start + x / sharp / scale) * perSecond), to = Math.floor((start + (x + 1) / sharp / scale) * perSecond);
    let low = 0, high = 0;
    for (let i = from; i < Math.min(to, wave.length); i++) {
      low = Math.min(low, wave[i]);
      high = Math.max(high, wave[i]);
    }
    drawing.fillRect(x, middle * (1 - high / loudest), 1, Math.max(1, (middle * (high - low)) / loudest));
  }
  return canvas;
}

const peaks = new WeakMap();
function peak(wave) {
  if (!peaks.has(wave)) peaks.set(wave, wave.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6));
  return peaks.get(wave);
}
