// The microphone as a WAV file. MediaRecorder would give WebM, which libsndfile does not read.

const HEADER_BYTES = 44, SAMPLE_BYTES = 2;

// Begin recording. Calls onSeconds with the length so far; resolves to {stop}, which resolves to the file.
export async function record(onSeconds) {
  const sound = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: sound });
  const context = new AudioContext();
  await context.audioWorklet.addModule("tap.js");
  const tap = new AudioWorkletNode(context, "tap");
  const blocks = [];
  let samples = 0;
  tap.port.onmessage = ({ data }) => {
    blocks.push(data);
    samples += data.length;
    onSeconds(samples / context.sampleRate);
  };
  context.createMediaStreamSource(stream).connect(tap).connect(context.destination); // the tap is silent, but must be asked for sound

  return {
    bytesPerSecond: context.sampleRate * SAMPLE_BYTES,
    async stop() {
      for (const track of stream.getTracks()) track.stop();
      tap.port.onmessage = null;
      await context.close();
      const clock = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
      return new File([wav(blocks, samples, context.sampleRate)], `recording ${clock}.wav`, { type: "audio/wav" });
    },
  };
}

// Mono, 16 bits a sample.
function wav(blocks, samples, rate) {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + SAMPLE_BYTES * samples));
  const letters = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  letters(0, "RIFF");
  view.setUint32(4, 36 + SAMPLE_BYTES * samples, true);
  letters(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of what describes the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * SAMPLE_BYTES, true);
  view.setUint16(32, SAMPLE_BYTES, true);
  view.setUint16(34, 8 * SAMPLE_BYTES, true);
  letters(36, "data");
  view.setUint32(40, SAMPLE_BYTES * samples, true);
  let at = HEADER_BYTES;
  for (const block of blocks) {
    for (const value of block) {
      view.setInt16(at, Math.max(-1, Math.min(1, value)) * 32767, true);
      at += SAMPLE_BYTES;
    }
  }
  return view.buffer;
}
